"""What a comparison allows to claim, in plain words, and its figures for a terminal."""

from collections.abc import Iterable
from math import inf

from rich.console import Console
from rich.markup import escape

from formulanas.compare.compare import Comparison


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The methods with their values, best first where they are ranked, the tests, and what may be claimed."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    scores, ranking = comparison.scores, comparison.ranking
    ranks = ranking.average_ranks if ranking else (None,) * len(scores.methods)
    rows = list(zip(ranks, scores.methods, scores.values, strict=True))
    rows.sort(key=lambda row: row[0] or 0)
    width = max(len(name) for name in (*scores.methods, "method"))
    widths = [max(len(name), 7) for name in scores.columns]
    rank_heading = f"{'rank':>6}  " if ranking else ""
    say(f"[bold]{rank_heading}{'method':<{width}}{_cells(scores.columns, widths)}[/bold]")
    for rank, method, values in rows:
        cells = _cells([f"{value:.2f}" if value == value else "" for value in values], widths)
        say((f"{rank:>6.3f}  " if rank else "") + escape(f"{method:<{width}}") + cells)
    if scores.lower:
        say(f"[dim]less is better in {', '.join(name for name in scores.columns if name in scores.lower)}[/dim]")
    if comparison.num_seeds:
        fewest, most = comparison.num_seeds
        say(f"[dim]accuracies in percent, means over n = {fewest if fewest == most else f'{fewest} to {most}'}[/dim]")
    if comparison.note:
        say(f"[yellow]{escape(comparison.note)}[/yellow]")
    if ranking:
        between, within = ranking.dof
        ties = ", corrected for ties" if ranking.ties else ""
        say(
            f"\nFriedman  chi2 = {ranking.chi2:.3f}, {between} degrees of freedom, p = {ranking.chi2_p_value:.3g}{ties}"
        )
        f = f"F = {ranking.f:.3f}" if ranking.f < inf else "F is infinite, all data sets rank alike"
        say(f"F form    {f}, {between} and {within} degrees of freedom, p = {ranking.p_value:.3g}")
        say(f"Nemenyi   critical difference {ranking.critical_difference:.3f} at alpha {ranking.alpha:g}")
    say("")
    for sentence in comparison.statements():
        say(escape(sentence))


def _cells(texts: Iterable[str], widths: Iterable[int]) -> str:
    return "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True))
