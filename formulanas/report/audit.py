"""The audit of a search: how far its proxy, its predictors and its winner are to be trusted."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from scipy import stats

from formulanas.report.leaderboard import Row

MIN_PAIRS = 4  # of candidates, below which an order says nothing


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau between two orders of `n` candidates, and its p-value; `top` of the best `k` are shared."""

    tau: float
    p_value: float
    n: int
    k: int
    top: int


@dataclass(frozen=True)
class Audit:
    """`proxy` compares proxy and confirmation; `predictors` compare guesses before training with the proxy.

    `probabilities` are those that the winner is better than each confirmed named candidate. `average` is the mean,
    deviation and number of the candidates drawn at random, at the proxy. `random_arm` compares the winner with that of
    an equally costly random search.
    """

    proxy: Agreement | None
    predictors: dict[str, Agreement] = field(default_factory=dict)
    probabilities: dict[str, float] = field(default_factory=dict)
    average: tuple[float, float, int] | None = None
    random_arm: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The audit as documents hold it."""
        return asdict(self)


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement | None:
    """How far two values of the same candidates agree in their order; None for fewer than four candidates."""
    n = len(first)
    if n < MIN_PAIRS or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    test = stats.kendalltau(first, second)
    k = max(1, min(5, n // 3))
    best = [set(sorted(range(n), key=lambda at: -values[at])[:k]) for values in (first, second)]
    return Agreement(float(test.statistic), float(test.pvalue), n, k, len(best[0] & best[1]))


def proxy_agreement(
    trials: Iterable[Mapping[str, Any]], confirmations: Iterable[Mapping[str, Any]]
) -> Agreement | None:
    """The proxy's order of the confirmed candidates beside that of their confirmed means."""
    confirmed: dict[str, list[float]] = {}
    for each in confirmations:
        if each["value"] is not None:
            confirmed.setdefault(each["key"], []).append(each["value"])
    proxies = {each["key"]: each["value"] for each in completed(trials) if each["key"] in confirmed}
    keys = list(proxies)
    return agreement([proxies[key] for key in keys], [statistics.fmean(confirmed[key]) for key in keys])


def completed(trials: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The trials that were trained to the end, each architecture once."""
    return [each for each in trials if each["state"] == "COMPLETE" and each["duplicate_of"] is None]


def probability_better(first: Mapping[int, float], second: Mapping[int, float]) -> float | None:
    """How probable it is that the first has the higher mean, from paired draws (Student, flat prior)."""
    differences = [first[draw] - second[draw] for draw in first.keys() & second.keys()]
    if len(differences) < 2:
        return None
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    if deviation == 0:
        return float(mean > 0) if mean else 0.5
    return float(stats.t.cdf(mean * len(differences) ** 0.5 / deviation, len(differences) - 1))


def winner_probabilities(rows: Sequence[Row], confirmations: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The probability that the winner is better than each confirmed named candidate, by name."""
    values: dict[str, dict[int, float]] = {}
    for each in confirmations:
        if each["value"] is not None:
            values.setdefault(each["key"], {})[each["draw"]] = each["value"]
    found = {}
    for row in rows[1:]:
        if row.name and row.confirmed:
            probability = probability_better(values.get(rows[0].key, {}), values[row.key])
            if probability is not None:
                found[row.name] = probability
    return found


def print_audit(console: Console, audit: Audit) -> None:
    """The audit for a terminal."""
    lines = []
    if audit.proxy is not None:
        lines.append(
            f"the proxy's order of {audit.proxy.n} confirmed candidates beside their means: {_words(audit.proxy)}"
        )
    for name, probability in audit.probabilities.items():
        lines.append(f"the winner is better than {name} with probability {probability:.2f}")
    if audit.average is not None:
        mean, deviation, n = audit.average
        lines.append(f"the average architecture has {100 * mean:.1f} ± {100 * deviation:.1f} % at the proxy (n = {n})")
    if audit.random_arm is not None:
        arm = audit.random_arm
        lines.append(f"random search of the same cost: {100 * arm['mean']:.1f} % confirmed; {arm['verdict']}")
    for name, found in sorted(audit.predictors.items(), key=lambda each: -abs(each[1].tau)):
        lines.append(f"{name:<12} before training: {_words(found)}")
    for place, line in enumerate(lines):
        console.print(f"{'' if place else 'audit':<10}{line}", highlight=False, soft_wrap=True)


def _words(found: Agreement) -> str:
    return (
        f"Kendall's tau {found.tau:+.2f} (p = {found.p_value:.2g}, n = {found.n}), "
        f"{found.top} of the best {found.k} in common"
    )
