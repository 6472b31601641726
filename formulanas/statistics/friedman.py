"""Friedman's test of methods over data sets, and Nemenyi's critical difference between their average ranks."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from math import factorial, inf, prod, sqrt
from operator import itemgetter
from typing import Any

import numpy as np
from scipy import stats

from formulanas.errors import InputError
from formulanas.statistics.scores import Scores

RANKING_KEYS = (  # of a ranking in JSON
    ["average_ranks", "ties", "chi2", "chi2_p_value", "F", "dof", "p_value", "critical_difference", "significant_pairs"]
)


@dataclass(frozen=True)
class Ranking:
    """What ranks can tell of k methods over N data sets (Demsar, Statistical Comparisons of Classifiers, JMLR 2006).

    `chi2` is Friedman's, corrected where methods tie, with k - 1 degrees of freedom; `f` is its form by Iman and
    Davenport with k - 1 and (k - 1)(N - 1). `p_value` is that of `f`, which decides; where all data sets rank alike,
    `f` is infinite, and `p_value` the chance that the other data sets repeat the order of the first.
    """

    methods: tuple[str, ...]
    average_ranks: tuple[float, ...]  # 1 is best; equal values share the average of their ranks
    num_datasets: int
    ties: bool
    chi2: float
    chi2_p_value: float
    f: float
    dof: tuple[int, int]
    p_value: float
    alpha: float
    critical_difference: float

    @property
    def significant_pairs(self) -> list[tuple[str, str]]:
        """The pairs whose average ranks lie a critical difference apart, the better first."""
        ordered = sorted(zip(self.average_ranks, self.methods, strict=True), key=itemgetter(0))
        return [
            (better[1], worse[1])
            for better, worse in combinations(ordered, 2)
            if worse[0] - better[0] >= self.critical_difference
        ]

    @property
    def cliques(self) -> list[tuple[float, float]]:
        """The first and last ranks of each largest group in which no two methods are a critical difference apart."""
        ranks = sorted(self.average_ranks)
        spans: list[tuple[float, float]] = []
        for at, first in enumerate(ranks):
            last = max(rank for rank in ranks if rank - first < self.critical_difference)
            group = [rank for rank in ranks[at:] if rank <= last]
            if len(group) > 1 and (not spans or last > spans[-1][1]):
                spans.append((first, last))
        return spans

    @property
    def statement(self) -> str:
        """What may be said, in a sentence."""
        over = f"over {self.num_datasets} data sets, at alpha {self.alpha:g}"
        pairs = self.significant_pairs
        if self.p_value >= self.alpha:
            return f"No difference may be claimed: that the methods are alike is not rejected {over}."
        if not pairs:
            spread = max(self.average_ranks) - min(self.average_ranks)
            return (
                f"The methods are not all alike {over}, but no two of them can be told apart: their average ranks "
                f"differ by {spread:.2f} at most, less than the critical difference of {self.critical_difference:.2f}."
            )
        worse: dict[str, list[str]] = {}
        for better, other in pairs:
            worse.setdefault(better, []).append(other)
        claims = "; ".join(f"{better} is better than {_listed(others)}" for better, others in worse.items())
        rest = len(self.methods) * (len(self.methods) - 1) // 2 - len(pairs)
        return f"{claims}, {over}." + (f" No other two ({rest} pairs) can be told apart." if rest else "")

    def to_json(self) -> dict[str, Any]:
        """The ranking as `compare --json` prints it."""
        ranks = dict(zip(self.methods, self.average_ranks, strict=True))
        f = self.f if self.f < inf else None  # JSON has no infinity
        pairs = [list(pair) for pair in self.significant_pairs]
        values = (ranks, self.ties, self.chi2, self.chi2_p_value, f, list(self.dof), self.p_value)
        return dict(zip(RANKING_KEYS, (*values, self.critical_difference, pairs), strict=True))


def friedman(scores: Scores, alpha: float = 0.05) -> Ranking:
    """Ranks the methods on each data set, and tests whether they differ.

    Raises InputError for fewer than three methods or two data sets, a missing value, and methods that are all equal.
    """
    k, n = len(scores.methods), len(scores.columns)
    if k < 3:
        raise InputError(f"3 <= methods must hold for Friedman's test, but got {k} ({', '.join(scores.methods)})")
    if n < 2:
        raise InputError(
            f"2 <= data sets must hold for Friedman's test, but got {n} ({', '.join(scores.columns)}); "
            "add a data set, or choose more --columns"
        )
    for method, column in scores.missing():
        raise InputError(f"each method has a value on each data set, but {method} has none on {column}; see --columns")
    signs = np.array([1 if name in scores.lower else -1 for name in scores.columns])
    ranks = stats.rankdata(signs * np.array(scores.values), axis=0)  # (methods, data sets)
    if np.ptp(ranks) == 0:
        raise InputError("the methods are equal on every data set: there is nothing to rank")
    test = stats.friedmanchisquare(*ranks)
    chi2, dof = float(test.statistic), (k - 1, (k - 1) * (n - 1))
    alike = bool(np.all(np.ptp(ranks, axis=1) == 0))  # then rounding decides whether the denominator is zero
    f = inf if alike else (n - 1) * chi2 / (n * (k - 1) - chi2)
    orders = factorial(k) // prod(factorial(count) for count in Counter(ranks[:, 0].tolist()).values())
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / sqrt(2)
    return Ranking(
        methods=scores.methods,
        average_ranks=tuple(float(rank) for rank in ranks.mean(axis=1)),
        num_datasets=n,
        ties=any(len(set(column)) < k for column in ranks.T.tolist()),
        chi2=chi2,
        chi2_p_value=float(test.pvalue),
        f=f,
        dof=dof,
        p_value=1 / orders ** (n - 1) if alike else float(stats.f.sf(f, *dof)),
        alpha=alpha,
        critical_difference=q * sqrt(k * (k + 1) / (6 * n)),
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
