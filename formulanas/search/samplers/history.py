"""What a sampler knows: the study's trials as scored candidates, those under way, and every key there has been."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from formulanas.search.samplers.candidates import Values
from formulanas.store.trials import TrialRecord

AUGMENTATION = 0.05  # of the sum of all distances, beside the largest


@dataclass(frozen=True)
class Observation:
    """A candidate that was tried, and its value: the higher, the better."""

    values: Values
    value: float


@dataclass(frozen=True)
class History:
    """The candidates `told`, in the order of their trials; the `pending` ones; `known` are the keys of all."""

    told: tuple[Observation, ...] = ()
    pending: tuple[Values, ...] = ()
    known: frozenset[str] = frozenset()

    @cached_property
    def best_first(self) -> tuple[Observation, ...]:
        """What was told, best first; of equals the earlier."""
        return tuple(sorted(self.told, key=lambda each: -each.value))

    def __len__(self) -> int:
        return len(self.told) + len(self.pending)


def history(
    tried: Sequence[TrialRecord],
    pending: Sequence[Values],
    known: frozenset[str],
    objectives: Sequence[str],
    generator: random.Random,
) -> History:
    """The history of a search from its ended trials, each architecture once, in their order.

    A completed trial has its value. A pruned one is given its last value and what completed trials gained after that
    epoch (their median), so that it compares with them. A failed or rejected one is as bad as the worst.

    Of several objectives one value is made with random weights (ParEGO: Knowles 2006), so that over many proposals the
    whole Pareto front is approached; a pruned trial then counts as the worst.
    """
    complete = [trial for trial in tried if trial.state == "COMPLETE"]
    if len(objectives) > 1:
        scores = _scalarised(complete, objectives, generator)
    else:
        stopped = [trial for trial in tried if trial.state == "PRUNED" and trial.epochs]
        gains = {epoch: _gain(complete, epoch) for epoch in {len(trial.epochs) for trial in stopped}}
        scores = {trial.number: trial.value or 0.0 for trial in complete}
        scores |= {trial.number: trial.epochs[-1] + gains[len(trial.epochs)] for trial in stopped}
    worst = min(scores.values(), default=0.0)
    told = tuple(Observation(dict(trial.values), scores.get(trial.number, worst)) for trial in tried)
    return History(told, tuple(pending), known)


def _scalarised(
    complete: Sequence[TrialRecord], objectives: Sequence[str], generator: random.Random
) -> dict[int, float]:
    """One value for each completed trial: minus its largest weighted distance from the best of each objective."""
    draws = [generator.expovariate(1) for _ in objectives]
    weights = [draw / sum(draws) for draw in draws]
    vectors = {
        trial.number: [trial.value or 0.0, *(-getattr(trial, cost) for cost in objectives[1:])] for trial in complete
    }
    columns = list(zip(*vectors.values(), strict=True))
    best, span = [max(column) for column in columns], [max(column) - min(column) or 1.0 for column in columns]
    scores = {}
    for number, vector in vectors.items():
        distances = [
            weight * (top - value) / width
            for weight, top, value, width in zip(weights, best, vector, span, strict=True)
        ]
        scores[number] = -max(distances) - AUGMENTATION * sum(distances)
    return scores


def _gain(complete: Iterable[TrialRecord], epoch: int) -> float:
    gains = [
        trial.value - trial.epochs[epoch - 1]
        for trial in complete
        if trial.value is not None and len(trial.epochs) >= epoch
    ]
    return median(gains) if gains else 0.0
