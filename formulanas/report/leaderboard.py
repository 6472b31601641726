"""The leaderboard of a search for a terminal: the published points marked, and what was found of its proxy."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from formulanas.statistics.audit import Audit
from formulanas.statistics.leaderboard import Contender


def print_leaderboard(console: Console, contenders: Iterable[Contender]) -> None:
    """The leaderboard for a terminal: a line of figures, and the formula under it."""
    console.print(
        f"[bold]{'':>3}  {'accuracy':>12}  {'n':>2}  {'params':>11}  {'MACs':>9}  {'seconds':>7}  trial[/bold]"
    )
    heading = ""
    for place, row in enumerate(contenders, 1):
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


def _heading(row: Contender) -> str:
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


def print_audit(console: Console, audit: Audit) -> None:
    """The audit for a terminal."""
    for at, line in enumerate(audit.statements()):
        console.print(f"{'' if at else 'audit':<10}{escape(line)}", highlight=False, soft_wrap=True)
