"""The leaderboard of a search: its contenders by confirmed mean, then by proxy, and what may be said of the first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, stdev
from typing import Any

from formulanas.statistics.differences import Difference, difference
from formulanas.store.trials import ConfirmationRecord, TrialRecord, completed


@dataclass(frozen=True)
class Contender:
    """One architecture of a search. `mean` and `deviation` are of the validation accuracy over `n` trainings.

    A confirmed one has the mean of fresh seeds under the longer recipe, any other the one value of its trial:
    the two are not comparable, so that the confirmed come first.
    """

    formula: str
    name: str | None  # the published formula or point that it is
    key: str
    trial: int
    confirmed: bool
    mean: float
    deviation: float | None
    n: int
    params: int
    macs: int
    seconds: float  # of one training
    latency: float | None = None  # milliseconds an image, where it was measured
    memory: float | None = None  # bytes an image that training keeps, where it was measured
    backbone: dict[str, Any] | None = None  # what differs from the proxy's
    front: bool = False  # on the Pareto front of the objectives
    beyond: str | None = None  # the limit that a named point exceeds: it is a baseline, and no winner

    @property
    def label(self) -> str:
        """The name that a reader knows it by."""
        return self.name or f"trial {self.trial}"

    def to_json(self) -> dict[str, Any]:
        """The contender as documents and `--json` hold it."""
        return asdict(self)


def rank(
    trials: Iterable[TrialRecord],
    confirmations: Iterable[ConfirmationRecord],
    names: Mapping[str, str],
    costs: Sequence[str] = ("params",),
) -> list[Contender]:
    """The contenders, best first, from trials and confirmations; `names` maps keys.

    What exceeds the limits of the space comes last. The Pareto front is that of the accuracy over the `costs`, among
    contenders that are equally confirmed and keep them.
    """
    confirmed: dict[str, list[tuple[float, float]]] = {}
    for confirmation in confirmations:
        if confirmation.value is not None:
            confirmed.setdefault(confirmation.key, []).append((confirmation.value, confirmation.seconds))
    contenders = []
    for trial in completed(trials):
        results = confirmed.get(trial.key, [])
        values, seconds = zip(*(results or [(trial.value, trial.seconds)]), strict=True)
        contenders.append(
            Contender(
                formula=trial.formula,
                name=trial.point or names.get(trial.key),
                key=trial.key,
                trial=trial.number,
                confirmed=bool(results),
                mean=fmean(values),
                deviation=stdev(values) if len(values) > 1 else None,
                n=len(values),
                params=trial.params,
                macs=trial.macs,
                seconds=fmean(seconds),
                backbone=trial.backbone,
                latency=trial.latency,
                memory=trial.memory,
                beyond=trial.beyond,
            )
        )
    contenders = [
        replace(one, front=not one.beyond and not any(_dominates(other, one, costs) for other in contenders))
        for one in contenders
    ]
    return sorted(contenders, key=lambda one: (one.beyond is not None, not one.confirmed, -one.mean, one.trial))


def accuracies(confirmations: Iterable[ConfirmationRecord]) -> dict[str, dict[int, float]]:
    """The accuracies of confirmed candidates in percent, by key and draw; all candidates share the split of a draw."""
    values: dict[str, dict[int, float]] = {}
    for confirmation in confirmations:
        if confirmation.value is not None:
            values.setdefault(confirmation.key, {})[confirmation.draw] = 100 * confirmation.value
    return values


def verdict(contenders: Sequence[Contender], confirmations: Iterable[ConfirmationRecord]) -> str:
    """What may be said of the winner against the best other confirmed contender, and the best named one."""
    values = accuracies(confirmations)
    others = [rival for rival in contenders[1:] if rival.confirmed]
    rivals = [*others[:1], *[rival for rival in others[1:] if rival.name][:1]]
    return "; ".join(against(contenders[0], rival, values) for rival in rivals)


def against(winner: Contender, rival: Contender, values: Mapping[str, Mapping[int, float]]) -> str:
    """What may be said of two confirmed contenders, from the draws that both have in `values`."""
    winning = f"trial {winner.trial}"
    if winner.key == rival.key:
        return f"{winning} is the same architecture as {rival.label}"
    pair = paired(winning, rival.label, values.get(winner.key, {}), values.get(rival.key, {}))
    return pair.statement(digits=1) if pair else f"{winning} and {rival.label} have no draw in common"


def paired(first: str, second: str, a: Mapping[int, float], b: Mapping[int, float]) -> Difference | None:
    """The difference of two candidates over the draws that both have; None where there is no such draw."""
    shared = sorted(a.keys() & b.keys())
    if not shared:
        return None
    return difference(first, second, "", {draw: a[draw] for draw in shared}, {draw: b[draw] for draw in shared})


def _dominates(first: Contender, second: Contender, costs: Sequence[str]) -> bool:
    """Whether the first is at least as good in accuracy and all costs, and better in one."""
    if first.confirmed != second.confirmed or first.beyond:
        return False
    pairs = [(first.mean, second.mean), *((-getattr(first, cost), -getattr(second, cost)) for cost in costs)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
