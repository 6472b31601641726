"""The leaderboard of a search: candidates by confirmed mean, then by proxy, the published points marked."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.markup import escape
from scipy import stats


@dataclass(frozen=True)
class Row:
    """One candidate. `mean` and `deviation` are of the validation accuracy over `n` trainings.

    A confirmed row has the mean of fresh seeds under the longer recipe, any other the one value of its trial:
    the two are not comparable, so that confirmed rows come first.
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

    def to_json(self) -> dict[str, Any]:
        """The row as documents and `--json` hold it."""
        return asdict(self)


def rank(
    trials: Iterable[Mapping[str, Any]],
    confirmations: Iterable[Mapping[str, Any]],
    names: Mapping[str, str],
    costs: Sequence[str] = ("params",),
) -> list[Row]:
    """The rows of a leaderboard, best first, from the documents of trials and confirmations; `names` maps keys.

    What exceeds the limits of the space comes last. The Pareto front is that of the accuracy over the `costs`, among
    candidates that are equally confirmed and keep them.
    """
    confirmed: dict[str, list[Mapping[str, Any]]] = {}
    for document in confirmations:
        if document["value"] is not None:
            confirmed.setdefault(document["key"], []).append(document)
    rows = []
    for trial in trials:
        if trial["state"] != "COMPLETE" or trial["duplicate_of"] is not None:
            continue
        results = confirmed.get(trial["key"], [])
        values = [each["value"] for each in results] or [trial["value"]]
        rows.append(
            Row(
                formula=trial["formula"],
                name=trial["point"] or names.get(trial["key"]),
                key=trial["key"],
                trial=trial["number"],
                confirmed=bool(results),
                mean=statistics.fmean(values),
                deviation=statistics.stdev(values) if len(values) > 1 else None,
                n=len(values),
                params=trial["params"],
                macs=trial["macs"],
                seconds=statistics.fmean([each["seconds"] for each in results] or [trial["seconds"]]),
                backbone=trial.get("backbone"),
                latency=trial.get("latency"),
                memory=trial.get("memory"),
                beyond=trial.get("beyond"),
            )
        )
    rows = [replace(row, front=not row.beyond and not any(_beats(other, row, costs) for other in rows)) for row in rows]
    return sorted(rows, key=lambda row: (row.beyond is not None, not row.confirmed, -row.mean, row.trial))


def _beats(first: Row, second: Row, costs: Sequence[str]) -> bool:
    """Whether the first is at least as good in accuracy and all costs, and better in one."""
    if first.confirmed != second.confirmed or first.beyond:
        return False
    pairs = [(first.mean, second.mean), *((-getattr(first, cost), -getattr(second, cost)) for cost in costs)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def verdict(rows: list[Row], confirmations: Iterable[Mapping[str, Any]]) -> str:
    """What may be said of the winner against the best other confirmed candidate, and the best named one."""
    documents = list(confirmations)
    others = [row for row in rows[1:] if row.confirmed]
    rivals = [*others[:1], *[row for row in others[1:] if row.name][:1]]
    return "; ".join(compare(rows[0], rival, documents) for rival in rivals)


def compare(winner: Row, rival: Row, confirmations: Iterable[Mapping[str, Any]]) -> str:
    """What may be said of two confirmed candidates.

    Draws are paired: all candidates share the split of a draw. The interval is Student's, at 95 %.
    """
    if winner.key == rival.key:
        return f"trial {winner.trial} is the same architecture as {rival.name or f'trial {rival.trial}'}"
    values: dict[str, dict[int, float]] = {}
    for document in confirmations:
        if document["value"] is not None:
            values.setdefault(document["key"], {})[document["draw"]] = document["value"]
    return _against(winner, rival, values)


def _against(winner: Row, rival: Row, values: Mapping[str, Mapping[int, float]]) -> str:
    first, second = values.get(winner.key, {}), values.get(rival.key, {})
    differences = [100 * (first[draw] - second[draw]) for draw in sorted(first.keys() & second.keys())]
    name = rival.name or f"trial {rival.trial}"
    if len(differences) < 2:
        return f"one seed each cannot tell trial {winner.trial} from {name}"
    mean, freedom = statistics.fmean(differences), len(differences) - 1
    half = float(stats.t.ppf(0.975, freedom)) * statistics.stdev(differences) / len(differences) ** 0.5
    interval = f"{mean:+.1f} points, 95 % interval {mean - half:+.1f} to {mean + half:+.1f}, n = {len(differences)}"
    says = "is better than" if mean - half > 0 else "cannot be told from"
    return f"trial {winner.trial} {says} {name} ({interval})"


def print_leaderboard(console: Console, rows: Iterable[Row]) -> None:
    """The leaderboard for a terminal: a line of figures, and the formula under it."""
    console.print(
        f"[bold]{'':>3}  {'accuracy':>12}  {'n':>2}  {'params':>11}  {'MACs':>9}  {'seconds':>7}  trial[/bold]"
    )
    heading = ""
    for place, row in enumerate(rows, 1):
        if (words := _heading(row)) != heading:
            console.print(f"[dim]{words}[/dim]")
            heading = words
        spread = f" ± {100 * row.deviation:.1f}" if row.deviation is not None else ""
        figures = (
            f"{place:>3}  {f'{100 * row.mean:.1f}{spread} %':>12}  {row.n:>2}  {row.params:>11,}  "
            f"{f'{row.macs / 1e6:.1f} M':>9}  {row.seconds:>7.0f}  {row.trial:>5}"
        )
        figures += " ◆" if row.front else "  "
        name = f"  [bold green]{row.name}[/bold green]" if row.name else ""
        console.print(figures + name, soft_wrap=True, highlight=False)
        over = f"  over {_backbone(row.backbone)}" if row.backbone else ""
        over += f"  {row.beyond}" if row.beyond else ""
        console.print(f"     [dim]{escape(row.formula)}{over}[/dim]", soft_wrap=True, highlight=False)


def _heading(row: Row) -> str:
    """What stands above rows of this kind."""
    if row.beyond:
        return "baselines beyond the limits, which do not compete"
    return "" if row.confirmed else "not confirmed: the one value of each trial's proxy training"


def _backbone(changes: Mapping[str, Any]) -> str:
    """What a candidate's backbone has that is not the proxy's."""
    words = {"widths": "wide", "depths": "blocks", "stem_width": "in the stem"}
    return ", ".join(
        f"{'-'.join(map(str, value)) if isinstance(value, list) else value} {words[name]}"
        for name, value in changes.items()
    )
