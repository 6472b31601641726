"""The leaderboard of a search for a reader: the published points marked, and how far it is to be trusted."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from formulanas.progress import Line, Styled, duration
from formulanas.statistics.leaderboard import Contender
from formulanas.statistics.outcome import Leaderboard


def search_lines(board: Leaderboard, seconds: float) -> Iterator[Line]:
    """The outcome of a search that took so long: the leaderboard, what may be said of the winner, and the audit."""
    yield ""
    yield from leaderboard_lines(board.rows)
    if board.verdict:
        yield f"\n{board.verdict}"
    for at, statement in enumerate(board.audit.statements()):
        yield f"{'' if at else 'audit':<10}{statement}"
    counts = ", ".join(f"{count} {state}" for state, count in board.trials.items() if count)
    yield f"\n{counts}; {duration(seconds)}. Train the winner on: formulanas retrain {board.run}"


def leaderboard_lines(contenders: Iterable[Contender]) -> Iterator[Line]:
    """The leaderboard: a line of figures a contender, and the formula under it."""
    heading = f"{'':>3}  {'accuracy':>12}  {'n':>2}  {'params':>11}  {'MACs':>9}  {'seconds':>7}  trial"
    yield (Styled(heading, "bold"),)
    kind = ""
    for rank, contender in enumerate(contenders, 1):
        if (words := _kind(contender)) != kind:
            yield (Styled(words, "dim"),)
            kind = words
        spread = f" ± {100 * contender.deviation:.1f}" if contender.deviation is not None else ""
        figures = (
            f"{rank:>3}  {f'{100 * contender.mean:.1f}{spread} %':>12}  {contender.n:>2}  {contender.params:>11,}  "
            f"{f'{contender.macs / 1e6:.1f} M':>9}  {contender.seconds:>7.0f}  {contender.trial:>5} "
            f"{'◆' if contender.front else ' '}"
        )
        yield figures, Styled(f"  {contender.name}" if contender.name else "", "name")
        over = f"  over {_backbone(contender.backbone)}" if contender.backbone else ""
        over += f"  {contender.beyond}" if contender.beyond else ""
        yield "     ", Styled(f"{contender.formula}{over}", "dim")


def _kind(contender: Contender) -> str:
    """What stands above contenders of this kind."""
    if contender.beyond:
        return "baselines beyond the limits, which do not compete"
    return "" if contender.confirmed else "not confirmed: the one value of each trial's proxy training"


def _backbone(changes: Mapping[str, Any]) -> str:
    """What a candidate's backbone has that is not the proxy's."""
    words = {"widths": "wide", "depths": "blocks", "stem_width": "in the stem"}
    return ", ".join(
        f"{'-'.join(map(str, value)) if isinstance(value, list) else value} {words[name]}"
        for name, value in changes.items()
    )
