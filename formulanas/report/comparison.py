"""A comparison for a reader: its values, its tests, and what may be claimed, in plain words."""

from collections.abc import Iterable, Iterator
from math import inf

from formulanas.compare.compare import Comparison
from formulanas.progress import Line, Styled


def comparison_lines(comparison: Comparison) -> Iterator[Line]:
    """The methods with their values, best first where they are ranked, the tests, and what may be claimed."""
    scores, ranking = comparison.scores, comparison.ranking
    ranks = ranking.average_ranks if ranking else (None,) * len(scores.methods)
    rows = sorted(zip(ranks, scores.methods, scores.values, strict=True), key=lambda row: row[0] or 0)
    width = max(len(name) for name in (*scores.methods, "method"))
    widths = [max(len(name), 7) for name in scores.columns]
    heading = f"{'rank':>6}  " if ranking else ""
    yield (Styled(f"{heading}{'method':<{width}}{_cells(scores.columns, widths)}", "bold"),)
    for rank, method, values in rows:
        cells = _cells([f"{value:.2f}" if value == value else "" for value in values], widths)
        yield (f"{rank:>6.3f}  " if rank else "") + f"{method:<{width}}{cells}"
    for word, columns in (("less", scores.lower), ("more", set(scores.columns) - scores.lower)):
        if columns and not comparison.num_seeds:
            yield (Styled(f"{word} is better in {', '.join(filter(columns.__contains__, scores.columns))}", "dim"),)
    if comparison.num_seeds:
        fewest, most = comparison.num_seeds
        seeds = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        yield (Styled(f"accuracies in percent, means over n = {seeds}", "dim"),)
    if comparison.note:
        yield (Styled(comparison.note, "warning"),)
    if ranking:
        between, within = ranking.dof
        ties = ", corrected for ties" if ranking.ties else ""
        f = f"F = {ranking.f:.3f}" if ranking.f < inf else "F is infinite, all data sets rank alike"
        yield (
            f"\nFriedman  chi2 = {ranking.chi2:.3f}, {between} degrees of freedom, p = {ranking.chi2_p_value:.3g}{ties}"
        )
        yield f"F form    {f}, {between} and {within} degrees of freedom, p = {ranking.p_value:.3g}"
        yield f"Nemenyi   critical difference {ranking.critical_difference:.3f} at alpha {ranking.alpha:g}"
    yield ""
    yield from comparison.statements()


def _cells(texts: Iterable[str], widths: Iterable[int]) -> str:
    return "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True))
