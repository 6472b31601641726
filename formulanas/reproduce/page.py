"""What a reader sees: the list of the tables, and a table with the paper's figures and ours side by side."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from formulanas.reproduce.state import Cell, Reproduction

HINT = "`formulanas reproduce TABLE` shows where a table stands, with --run it trains what is missing"


def list_lines(reproductions: Iterable[Reproduction]) -> Iterator[str]:
    """A line for each table: runs, those done, what the rest costs, and the paper."""
    yield f"{'table':<15} {'runs':>4} {'done':>4}  {'time left':<12} paper"
    for each in reproductions:
        runs = len(each.standings)
        yield f"{each.table.name:<15} {runs:>4} {each.count('done'):>4}  {_left(each):<12} {_paper(each)}"
    yield ""
    yield HINT


def _paper(reproduction: Reproduction) -> str:
    impossible = reproduction.count("impossible")
    return reproduction.table.paper + (f" ({impossible} runs cannot be run by name)" if impossible else "")


def table_lines(reproduction: Reproduction) -> Iterator[str]:
    """The table: paper, ours, number of runs and difference by column, what is left, and what to know of it."""
    table = reproduction.table
    yield f"{table.name}: {table.paper}, {table.measure} in percent"
    if reproduction.shortened:
        yield f"SHORTENED: {reproduction.shortened}. Not the experiment of the paper, and never mixed with it."
    width = max([len(each.network) for each in reproduction.cells], default=0)
    for column, cells in groupby(reproduction.cells, key=lambda cell: cell.column):
        yield ""
        yield f"{column.title:<{width}}  {'paper':>12}  {'ours':>12}  {'n':>2}  {'difference':>10}"
        for cell in cells:
            yield _cell_line(cell, width, "*" if reproduction.shortened else "")
    yield ""
    yield from _state_lines(reproduction)
    if reproduction.shortened:
        yield f"* shortened: {reproduction.shortened}"
    for note in table.notes:
        yield f"note: {note}"


def _cell_line(cell: Cell, width: int, mark: str) -> str:
    paper, ours = _value(cell.paper.value, cell.paper.deviation), _value(cell.mean, cell.deviation)
    difference = "" if cell.difference is None else f"{cell.difference:+.2f}{mark}"
    line = f"{cell.network:<{width}}  {paper:>12}  {ours:>12}  {len(cell.values) or '':>2}  {difference:>10}"
    return line.rstrip()


def _value(value: float | None, deviation: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def _state_lines(reproduction: Reproduction) -> Iterator[str]:
    counts = ((reproduction.count(state), state) for state in ("done", "begun", "missing", "impossible"))
    text = ", ".join(f"{count} {state}" for count, state in counts if count)
    yield f"runs: {text or 'none'}, of {len(reproduction.standings)}; time left {_left(reproduction)}"
    if reproduction.seconds_left is None:
        yield "the time is known once a run on the same data, also a shortened one, is done"
    reasons: dict[str, list[str]] = {}
    for each in reproduction.standings:
        if each.reason and each.run.network not in reasons.setdefault(each.reason, []):
            reasons[each.reason].append(each.run.network)
    for reason, networks in reasons.items():
        yield f"impossible: {', '.join(networks)}: {reason}"
    if reproduction.count("missing") or reproduction.count("begun"):
        yield "train them by the same command with --run; Ctrl-C and the same command again goes on"


def _left(reproduction: Reproduction) -> str:
    seconds = reproduction.seconds_left
    if seconds is None:
        return "unknown"
    if seconds == 0:
        return "-" if reproduction.count("impossible") else "none"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.0f} {unit}"
    return f"about {seconds:.0f} s"
