"""Two methods over seeds: the mean difference with Student's interval, and what may be said of them."""

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
    """How far `first` lies above `second`, in points, with an interval and a p-value; `column` is where, if anywhere.

    `paired` where both have the same seeds; `welch` (unequal variances) where they have not; `single`, without an
    interval, where one of them has one seed only. `n` are the seeds of the two. The interval is one of `together` that
    all hold at 1 - `alpha` (Bonferroni).
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
    alpha: float = 0.05
    together: int = 1

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    def probability(self, name: str) -> float | None:
        """How probable it is that the one called `name` is the better of the two, with a flat prior."""
        if self.p_value is None:
            return None
        return 1 - self.p_value / 2 if name == self.first else self.p_value / 2

    def statement(self, digits: int = 2) -> str:
        """What may be said, in a sentence without its full stop."""
        says = "is better than" if self.is_significant else "cannot be told from"
        where = f" on {self.column}" if self.column else ""
        if self.low is None or self.high is None:
            figures = f"n = {self.n[0]} and {self.n[1]}; 2 seeds each are the least"
        else:
            interval = f"{self.low:+.{digits}f} to {self.high:+.{digits}f}"
            among = f", one of {self.together} that hold together" if self.together > 1 else ""
            paired = self.test == "paired"
            how = f"paired by seed, n = {self.n[0]}" if paired else f"Welch's, n = {self.n[0]} and {self.n[1]}"
            figures = f"{100 * (1 - self.alpha):g} % interval {interval}{among}, {how}"
        return f"{self.first} {says} {self.second}{where} ({self.mean:+.{digits}f} points, {figures})"


def differences(values: Values, alpha: float = 0.05) -> list[Difference]:
    """Every two methods on every column that both have, the better first; all intervals hold together at 1 - alpha."""
    pairs = [
        (first, second, column)
        for first, second in combinations(values, 2)
        for column in values[first]
        if column in values[second]
    ]
    return [
        difference(first, second, column, values[first][column], values[second][column], alpha, len(pairs))
        for first, second, column in pairs
    ]


def difference(
    first: str,
    second: str,
    column: str,
    a: Mapping[int, float],
    b: Mapping[int, float],
    alpha: float = 0.05,
    together: int = 1,
) -> Difference:
    """The difference of two methods from their values by seed, the better first."""
    mean = fmean(a.values()) - fmean(b.values())
    if mean < 0:
        return difference(second, first, column, b, a, alpha, together)
    n = (len(a), len(b))
    if min(n) < 2:
        return Difference(first, second, column, "single", n, mean, alpha=alpha, together=together)
    test: Literal["paired", "welch"] = "paired" if a.keys() == b.keys() else "welch"
    if test == "paired":
        error, dof = sqrt(variance([a[seed] - b[seed] for seed in a]) / n[0]), float(n[0] - 1)
    else:
        parts = [variance(sample.values()) / len(sample) for sample in (a, b)]
        error = sqrt(sum(parts))
        dof = sum(parts) ** 2 / sum(part**2 / (m - 1) for part, m in zip(parts, n, strict=True)) if error else 1.0
    half = half_width(error, dof, alpha / together)
    p_value = float(2 * stats.t.sf(mean / error, dof)) if error else float(mean == 0)
    return Difference(first, second, column, test, n, mean, mean - half, mean + half, p_value, alpha, together)


def half_width(error: float, dof: float, alpha: float = 0.05) -> float:
    """Half of Student's interval of a mean, from its standard error and degrees of freedom."""
    return float(stats.t.ppf(1 - alpha / 2, dof)) * error
