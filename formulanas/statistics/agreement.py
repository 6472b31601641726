"""How far two values of the same candidates agree in their order."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

MIN_PAIRS = 4  # of candidates, below which an order says nothing


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau between two orders of `n` candidates, and its p-value; `top` of the best `k` are shared."""

    tau: float
    p_value: float
    n: int
    k: int
    top: int

    @property
    def statement(self) -> str:
        """The figures in words."""
        tau = f"Kendall's tau {self.tau:+.2f} (p = {self.p_value:.2g}, n = {self.n})"
        return f"{tau}, {self.top} of the best {self.k} in common"


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement | None:
    """The agreement of two values of each candidate; None for fewer than four candidates, or all of one value."""
    n = len(first)
    if n < MIN_PAIRS or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    test = stats.kendalltau(first, second)
    k = max(1, min(5, n // 3))
    best = [set(sorted(range(n), key=lambda at: -values[at])[:k]) for values in (first, second)]
    return Agreement(float(test.statistic), float(test.pvalue), n, k, len(best[0] & best[1]))
