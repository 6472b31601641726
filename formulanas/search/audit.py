"""The audit of an ended search: proxy against confirmation, predictors against the proxy, winner against chance."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from formulanas.search.run import RunSettings
from formulanas.search.screening.predictors import PREDICTORS, predict, sample
from formulanas.seeds import derive_seed
from formulanas.statistics.agreement import MIN_PAIRS, Agreement, agreement
from formulanas.statistics.audit import Audit, proxy_agreement, winner_probabilities
from formulanas.statistics.leaderboard import Contender, accuracies, against
from formulanas.store.runs import with_changes
from formulanas.store.trials import ConfirmationRecord, TrialRecord, completed

MAX_JUDGED = 100  # trials on which predictors are judged, evenly spread over the search: each takes most of a second


@dataclass(frozen=True)
class Outcome:
    """What a search and its confirmation came to; the contenders best first."""

    trials: list[TrialRecord]
    confirmations: list[ConfirmationRecord]
    contenders: list[Contender]


def audit(settings: RunSettings, outcome: Outcome, random_arm: Outcome | None) -> Audit:
    """What may be thought of an outcome; `random_arm` is that of a random search of the same cost."""
    average = arm = None
    if random_arm is not None:
        drawn = [trial.value for trial in completed(random_arm.trials) if not trial.point]
        if len(drawn) > 1:
            average = statistics.fmean(drawn), statistics.stdev(drawn), len(drawn)
        rival = random_arm.contenders[0]
        both = accuracies([*outcome.confirmations, *random_arm.confirmations])
        arm = {
            "formula": rival.formula,
            "mean": rival.mean,
            "n": rival.n,
            "verdict": against(outcome.contenders[0], rival, both),
        }
    return Audit(
        proxy=proxy_agreement(outcome.trials, outcome.confirmations),
        predictors=judge_predictors(settings, outcome.trials),
        probabilities=winner_probabilities(outcome.contenders, outcome.confirmations),
        average=average,
        random_arm=arm,
    )


def judge_predictors(settings: RunSettings, trials: Sequence[TrialRecord]) -> dict[str, Agreement]:
    """How well each zero-cost proxy orders the trials that were trained to the end."""
    done = completed(trials)
    if len(done) < MIN_PAIRS:
        return {}
    done = done[:: -(-len(done) // MAX_JUDGED)]
    space, proxy, seed = settings.space.space, settings.proxy, derive_seed(settings.seed, "predict")
    images, labels = sample(proxy)
    architectures = [
        proxy.architecture(space.bind(trial.values), with_changes(proxy.backbone, trial.backbone)) for trial in done
    ]
    agreements = {}
    for name in PREDICTORS:
        guesses = [predict(name, architecture, images, labels, seed) for architecture in architectures]
        pairs = [(guess, trial.value) for guess, trial in zip(guesses, done, strict=True) if guess is not None]
        order = agreement([guess for guess, _ in pairs], [value for _, value in pairs])
        if order is not None:
            agreements[name] = order
    return agreements
