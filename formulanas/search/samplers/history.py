"""What a sampler knows: the study's trials as scored candidates, those under way, and every key there has been."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from formulanas.search.samplers.candidates import Values

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


def read_history(study: optuna.Study, generator: random.Random) -> History:
    """The history that a study holds; duplicates are left out, and so are trials that never named an architecture.

    A completed trial has its value. A pruned one is given its last value and what completed trials gained after that
    epoch (their median), so that it compares with them. A failed or rejected one is as bad as the worst.

    Of several objectives one value is made with random weights (ParEGO: Knowles 2006), so that over many proposals the
    whole Pareto front is approached; a pruned trial then counts as the worst.
    """
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if "key" in trial.user_attrs and "duplicate_of" not in trial.user_attrs
    ]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    gains: dict[int, float] = {}
    several = len(study.directions) > 1
    scores: dict[int, float | None] = dict(_scalarised(study, complete, generator)) if several else {}
    for trial in trials:
        match trial.state:
            case TrialState.COMPLETE if several:
                pass
            case TrialState.COMPLETE:
                scores[trial.number] = trial.value
            case TrialState.PRUNED if not several and (epoch := trial.last_step) is not None:
                if epoch not in gains:
                    gains[epoch] = _gain(complete, epoch)
                scores[trial.number] = trial.intermediate_values[epoch] + gains[epoch]
            case TrialState.PRUNED | TrialState.FAIL:
                scores[trial.number] = None
            case TrialState.RUNNING | TrialState.WAITING:
                pass
    worst = min((score for score in scores.values() if score is not None), default=0.0)
    return History(
        tuple(
            Observation(trial.params, worst if (score := scores[trial.number]) is None else score)
            for trial in trials
            if trial.number in scores
        ),
        tuple(trial.params for trial in trials if trial.state == TrialState.RUNNING),
        frozenset(trial.user_attrs["key"] for trial in trials),
    )


def _scalarised(
    study: optuna.Study, complete: Sequence[FrozenTrial], generator: random.Random
) -> Iterator[tuple[int, float]]:
    """One value for each completed trial: minus its largest weighted distance from the best of each objective."""
    signs = [1 if direction == StudyDirection.MAXIMIZE else -1 for direction in study.directions]
    draws = [generator.expovariate(1) for _ in signs]
    weights = [draw / sum(draws) for draw in draws]
    vectors = {
        trial.number: [sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in complete
    }
    columns = list(zip(*vectors.values(), strict=True))
    best, span = [max(column) for column in columns], [max(column) - min(column) or 1.0 for column in columns]
    for number, vector in vectors.items():
        distances = [
            weight * (top - value) / width
            for weight, top, value, width in zip(weights, best, vector, span, strict=True)
        ]
        yield number, -max(distances) - AUGMENTATION * sum(distances)


def _gain(complete: Iterable[FrozenTrial], epoch: int) -> float:
    gains = [
        trial.value - trial.intermediate_values[epoch]
        for trial in complete
        if trial.value is not None and epoch in trial.intermediate_values
    ]
    return median(gains) if gains else 0.0
