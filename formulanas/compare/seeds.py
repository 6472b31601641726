"""Two methods over seeds: the mean difference, with Student's interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import fmean, variance
from typing import Literal

from scipy import stats

Values = Mapping[str, Mapping[str, Mapping[int, float]]]  # by method, column and seed


@dataclass(frozen=True)
class Difference:
    """How far `first` lies above `second` on a column, in its units, with an interval and a p-value.

    `paired` where both have the same seeds; `welch` (unequal variances) where they have not; `single`, without an
    interval, where one of them has one seed only. `n` are the seeds of the two.
    """

    first: str
    second: str
    column: str
    test: Literal["paired", "welch", "single"]
    n: tuple[int, int]
    mean: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None  # of this pair alone

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def differences(values: Values, alpha: float = 0.05) -> list[Difference]:
    """Every two methods on every column that both have, the better first.

    All intervals hold together at 1 - alpha: each is made for alpha over their number (Bonferroni).
    """
    pairs = [
        (first, second, column)
        for first, second in combinations(values, 2)
        for column in values[first]
        if column in values[second]
    ]
    return [
        difference(first, second, column, values[first][column], values[second][column], alpha / len(pairs))
        for first, second, column in pairs
    ]


def difference(
    first: str, second: str, column: str, a: Mapping[int, float], b: Mapping[int, float], alpha: float
) -> Difference:
    """The difference of two methods from their values by seed."""
    mean = fmean(a.values()) - fmean(b.values())
    if mean < 0:
        return difference(second, first, column, b, a, alpha)
    n = (len(a), len(b))
    if min(n) < 2:
        return Difference(first, second, column, "single", n, mean)
    test: Literal["paired", "welch"] = "paired" if a.keys() == b.keys() else "welch"
    if test == "paired":
        error, dof = sqrt(variance([a[seed] - b[seed] for seed in a]) / n[0]), float(n[0] - 1)
    else:
        parts = [variance(each.values()) / len(each) for each in (a, b)]
        error = sqrt(sum(parts))
        dof = sum(parts) ** 2 / sum(part**2 / (m - 1) for part, m in zip(parts, n, strict=True)) if error else 1.0
    half = float(stats.t.ppf(1 - alpha / 2, dof)) * error
    p_value = float(2 * stats.t.sf(mean / error, dof)) if error else float(mean == 0)
    return Difference(first, second, column, test, n, mean, mean - half, mean + half, p_value)
