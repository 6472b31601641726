"""What a comparison allows to claim, in plain words, and its figures for a terminal."""

from collections.abc import Iterable
from math import inf
from typing import assert_never

from rich.console import Console
from rich.markup import escape

from formulanas.compare.compare import Comparison
from formulanas.compare.friedman import Ranking
from formulanas.compare.seeds import Difference


def verdicts(comparison: Comparison) -> list[str]:
    """What may be claimed: a sentence on the ranks, or one for every two methods on a data set."""
    if comparison.ranking:
        return [_of_ranks(comparison.ranking)]
    together = len(comparison.differences)
    return [_of_seeds(each, comparison.alpha, together) for each in comparison.differences]


def _of_ranks(ranking: Ranking) -> str:
    over = f"over {ranking.num_datasets} data sets, at alpha {ranking.alpha:g}"
    pairs = ranking.significant_pairs
    if ranking.p_value >= ranking.alpha:
        return f"No difference may be claimed: that the methods are alike is not rejected {over}."
    if not pairs:
        spread = max(ranking.average_ranks) - min(ranking.average_ranks)
        return (
            f"The methods are not all alike {over}, but no two of them can be told apart: their average ranks "
            f"differ by {spread:.2f} at most, less than the critical difference of {ranking.critical_difference:.2f}."
        )
    worse: dict[str, list[str]] = {}
    for better, other in pairs:
        worse.setdefault(better, []).append(other)
    claims = "; ".join(f"{better} is better than {_listed(others)}" for better, others in worse.items())
    rest = len(ranking.methods) * (len(ranking.methods) - 1) // 2 - len(pairs)
    return f"{claims}, {over}." + (f" No other two ({rest} pairs) can be told apart." if rest else "")


def _of_seeds(difference: Difference, alpha: float, together: int) -> str:
    n, low, high = difference.n, difference.low, difference.high
    match difference.test:
        case "single":
            return (
                f"{difference.first} cannot be told from {difference.second} on {difference.column}: "
                f"{difference.mean:+.2f} points, n = {n[0]} and {n[1]}; 2 seeds each are the least."
            )
        case "paired":
            how = f"paired by seed, n = {n[0]}"
        case "welch":
            how = f"Welch's, seeds differ, n = {n[0]} and {n[1]}"
        case _:
            assert_never(difference.test)
    says = "is better than" if difference.is_significant else "cannot be told from"
    among = f", one of {together} that hold together" if together > 1 else ""
    return (
        f"{difference.first} {says} {difference.second} on {difference.column}: {difference.mean:+.2f} points, "
        f"{100 * (1 - alpha):g} % interval {low:+.2f} to {high:+.2f}{among} ({how})."
    )


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The methods with their values, best first where they are ranked, the tests, and what may be claimed."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    table, ranking = comparison.table, comparison.ranking
    ranks = ranking.average_ranks if ranking else (None,) * len(table.methods)
    rows = list(zip(ranks, table.methods, table.values, strict=True))
    rows.sort(key=lambda row: row[0] or 0)
    width = max(len(name) for name in (*table.methods, "method"))
    widths = [max(len(name), 7) for name in table.columns]
    rank_heading = f"{'rank':>6}  " if ranking else ""
    say(f"[bold]{rank_heading}{'method':<{width}}{_cells(table.columns, widths)}[/bold]")
    for rank, method, values in rows:
        cells = _cells([f"{value:.2f}" if value == value else "" for value in values], widths)
        say((f"{rank:>6.3f}  " if rank else "") + escape(f"{method:<{width}}") + cells)
    if table.lower:
        say(f"[dim]less is better in {', '.join(name for name in table.columns if name in table.lower)}[/dim]")
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
    for sentence in verdicts(comparison):
        say(escape(sentence))


def _cells(texts: Iterable[str], widths: Iterable[int]) -> str:
    return "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True))


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
