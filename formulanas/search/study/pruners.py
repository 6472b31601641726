"""What stops poor trials at epoch boundaries, by name: rules on the accuracies of all trials after the same epoch.

Optuna's own pruners ask for a single objective; these look at the accuracy whatever the objectives are.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from formulanas.errors import InputError, unknown_name

REDUCTION = 3  # one of so many goes on from each rung (eta)
MIN_TRIALS = 6  # that were trained to the end, before the median rule stops any
FIRST_SHARE = 8  # one of so many goes on after the first epoch


@dataclass(frozen=True)
class Progress:
    """A trial on its way through so many `epochs`: its accuracies after each so far, and those of all other trials."""

    number: int
    epochs: int
    own: Sequence[float]
    others: Sequence[Sequence[float]] = ()

    @property
    def epoch(self) -> int:
        """The last epoch."""
        return len(self.own)

    @property
    def rivals(self) -> list[float]:
        """What the others had after that epoch."""
        return [values[self.epoch - 1] for values in self.others if len(values) >= self.epoch]


Pruner = Callable[[Progress], bool]  # whether to stop


def never(progress: Progress) -> bool:
    """Every trial is trained to its end."""
    return False


def median(progress: Progress) -> bool:
    """From half of the epochs on, stops what was never as good as the median of the others now (Vizier's rule)."""
    finished = sum(len(values) >= progress.epochs for values in progress.others)
    if progress.epoch < max(1, progress.epochs // 2) or finished < MIN_TRIALS:
        return False
    return max(progress.own) < statistics.median(progress.rivals)


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
    return progress.epoch == 1 and not _is_among_best(progress, FIRST_SHARE)


def _below_rung(progress: Progress, first: int) -> bool:
    rungs = {first * REDUCTION**power for power in range(8)}
    if progress.epoch not in rungs or progress.epoch >= progress.epochs:
        return False
    return not _is_among_best(progress, REDUCTION)


def _is_among_best(progress: Progress, share: int) -> bool:
    """Whether it is among the best of all, one in `share`; while there are fewer than that, the best so far is."""
    kept = max(1, (len(progress.rivals) + 1) // share)
    return sum(rival > progress.own[-1] for rival in progress.rivals) < kept


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
