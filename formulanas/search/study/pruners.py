"""What stops poor trials at epoch boundaries, by name: rules on the accuracies of all trials after the same epoch.

Optuna's own pruners ask for a single objective; these look at the accuracy whatever the objectives are.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from formulanas.errors import InputError, unknown_name

REDUCTION = 3  # one of so many goes on from each rung (eta)
MIN_TRIALS = 6  # that were trained to the end, before the median rule stops any
FIRST_SHARE = 8  # one of so many goes on after the first epoch


@dataclass(frozen=True)
class Progress:
    """A trial after an epoch: its accuracies by epoch, and those of all other trials."""

    number: int
    epoch: int
    epochs: int  # of a whole training
    own: dict[int, float]
    others: Sequence[dict[int, float]] = field(default_factory=tuple)

    def at(self, epoch: int) -> list[float]:
        """What the others had after `epoch`."""
        return [values[epoch] for values in self.others if epoch in values]


Pruner = Callable[[Progress], bool]  # whether to stop


def never(progress: Progress) -> bool:
    """Every trial is trained to its end."""
    return False


def median(progress: Progress) -> bool:
    """From half of the epochs on, stops what was never as good as the median of the others now (Vizier's rule)."""
    finished = sum(progress.epochs in values for values in progress.others)
    others = progress.at(progress.epoch)
    if progress.epoch < max(1, progress.epochs // 2) or finished < MIN_TRIALS or not others:
        return False
    return max(progress.own.values()) < statistics.median(others)


def halving(progress: Progress) -> bool:
    """At each rung the best third goes on (asynchronous successive halving: Li et al. 2018, 1810.05934)."""
    return _below_rung(progress, max(1, progress.epochs // REDUCTION**2))


def hyperband(progress: Progress) -> bool:
    """Successive halving from three first rungs, by turns, so that slow starters have a chance (1603.06560)."""
    brackets = 3
    first = max(1, progress.epochs // REDUCTION**2)
    return _below_rung(progress, first * REDUCTION ** (progress.number % brackets))


def first_epoch(progress: Progress) -> bool:
    """After one epoch the best eighth of what was seen so far goes on: the baseline of one epoch, then the top k."""
    return progress.epoch == 1 and not _among_best([*progress.at(1)], progress.own[1], FIRST_SHARE)


def _below_rung(progress: Progress, first: int) -> bool:
    rungs = {first * REDUCTION**power for power in range(8)}
    if progress.epoch not in rungs or progress.epoch >= progress.epochs:
        return False
    return not _among_best(progress.at(progress.epoch), progress.own[progress.epoch], REDUCTION)


def _among_best(others: Sequence[float], own: float, share: int) -> bool:
    """Whether `own` is among the best of all, one in `share`; while there are fewer than that, the best so far is."""
    kept = max(1, (len(others) + 1) // share)
    return sum(other > own for other in others) < kept


PRUNERS: dict[str, Pruner] = {
    "none": never,
    "median": median,
    "halving": halving,
    "hyperband": hyperband,
    "first-epoch": first_epoch,
}


def find_pruner(name: str) -> Pruner:
    """The pruner `name`."""
    if name not in PRUNERS:
        raise InputError(unknown_name("pruner", name, PRUNERS) + " (search.pruner)")
    return PRUNERS[name]


def progress_of(number: int, own: dict[int, float], trials: Sequence[FrozenTrial], epochs: int) -> Progress:
    """The progress of trial `number` among the `trials` of its study; duplicates count once."""
    others = [
        trial.intermediate_values
        for trial in trials
        if trial.number != number and trial.intermediate_values and "duplicate_of" not in trial.user_attrs
    ]
    return Progress(number, max(own), epochs, own, others)
