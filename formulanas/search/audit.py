"""The audit of an ended search: proxy against confirmation, predictors against the proxy, winner against chance."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formulanas.architecture.architecture import Architecture
from formulanas.data.catalogue import dataset
from formulanas.data.training_set import read_training_set
from formulanas.formula.bind import bind
from formulanas.search.screening.predictors import BATCH_SIZE, PREDICTORS, predict
from formulanas.search.space.proxy import Proxy
from formulanas.seeds import derive_seed
from formulanas.statistics.agreement import MIN_PAIRS, Agreement, agreement
from formulanas.statistics.audit import Audit, proxy_agreement, winner_probabilities
from formulanas.statistics.leaderboard import Contender, accuracies, against, completed
from formulanas.store.runs import with_changes

Documents = Sequence[Mapping[str, Any]]

MAX_JUDGED = 100  # trials on which predictors are judged, evenly spread over the search: each takes most of a second


@dataclass(frozen=True)
class Outcome:
    """The documents of a search's trials and confirmations, and its rows, best first."""

    trials: Documents
    confirmations: Documents
    rows: list[Contender]


def audit(proxy: Proxy, seed: int, found: Outcome, random_arm: Outcome | None) -> Audit:
    """What may be thought of the outcome `found`; `random_arm` is that of a random search of the same cost."""
    average = arm = None
    if random_arm is not None:
        drawn = [trial["value"] for trial in completed(random_arm.trials) if not trial["point"]]
        if len(drawn) > 1:
            average = statistics.fmean(drawn), statistics.stdev(drawn), len(drawn)
        rival = random_arm.rows[0]
        both = [*found.confirmations, *random_arm.confirmations]
        arm = {
            "formula": rival.formula,
            "mean": rival.mean,
            "n": rival.n,
            "verdict": against(found.rows[0], rival, accuracies(both)),
        }
    return Audit(
        proxy=proxy_agreement(found.trials, found.confirmations),
        predictors=judge_predictors(proxy, seed, found.trials),
        probabilities=winner_probabilities(found.rows, found.confirmations),
        average=average,
        random_arm=arm,
    )


def judge_predictors(proxy: Proxy, seed: int, trials: Documents) -> dict[str, Agreement]:
    """How well each zero-cost proxy orders the trials that were trained to the end."""
    done = completed(trials)
    if len(done) < MIN_PAIRS:
        return {}
    done = done[:: -(-len(done) // MAX_JUDGED)]
    images, labels = sample(proxy)
    values = [trial["value"] for trial in done]
    architectures = [architecture(proxy, trial) for trial in done]
    own = derive_seed(seed, "predict")
    found = {}
    for name in PREDICTORS:
        guesses = [predict(name, each, images, labels, own) for each in architectures]
        pairs = [(guess, value) for guess, value in zip(guesses, values, strict=True) if guess is not None]
        result = agreement([guess for guess, _ in pairs], [value for _, value in pairs])
        if result is not None:
            found[name] = result
    return found


def sample(proxy: Proxy) -> tuple[Tensor, Tensor]:
    """A batch of training images (N, C, H, W), normalised, and their labels (N,), on the proxy's device."""
    data = read_training_set(proxy.dataset, Path(proxy.data_dir))
    device = torch.device(proxy.device)
    return data.normalise(data.images[:BATCH_SIZE]).to(device), data.labels[:BATCH_SIZE].to(device)


def architecture(proxy: Proxy, trial: Mapping[str, Any]) -> Architecture:
    """The architecture of a trial's document."""
    images = dataset(proxy.dataset)
    backbone = with_changes(proxy.backbone, trial["backbone"])
    return Architecture(bind(trial["formula"]), backbone, images.shape, images.num_classes)
