"""Average ranks as figures: intervals that overlap or not, and the critical-difference diagram."""

from pathlib import Path
from typing import TYPE_CHECKING

from formulanas.statistics.friedman import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.28  # inches of height for a method


def draw_ranking(path: Path, ranking: Ranking, title: str) -> None:
    """Draws both figures, one below the other, to a PNG or SVG file."""
    from matplotlib.figure import Figure

    k = len(ranking.methods)
    heights = [ROW * k + 0.9, ROW * ((k + 1) // 2) + 0.9 + 0.08 * len(ranking.cliques)]
    figure = Figure(figsize=(8.5, sum(heights) + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=10, wrap=True)
    upper, lower = figure.subplots(2, 1, height_ratios=heights)
    _draw_intervals(upper, ranking)
    _draw_diagram(lower, ranking)
    figure.savefig(path, dpi=150)


def _draw_intervals(axes: "Axes", ranking: Ranking) -> None:
    """Each method's average rank with half a critical difference to either side (Liao et al., 2108.08689)."""
    ordered = sorted(zip(ranking.average_ranks, ranking.methods, strict=True))
    ranks = [rank for rank, _ in ordered]
    half = ranking.critical_difference / 2
    axes.errorbar(ranks, range(len(ranks)), xerr=half, fmt="o", color="C0", markersize=5, capsize=3)
    axes.axvline(ranks[0] + half, color="C3", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(ranks)), [name for _, name in ordered])
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.set_xlabel(f"average rank ± half of the critical difference {ranking.critical_difference:.2f}")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_diagram(axes: "Axes", ranking: Ranking) -> None:
    """The critical-difference diagram of Demsar (2006): a bar joins methods that cannot be told apart."""
    k, spans = len(ranking.methods), ranking.cliques
    ordered = sorted(zip(ranking.average_ranks, ranking.methods, strict=True))
    top, step = 0.35 + 0.3 * len(spans), 1.0
    rows = (k + 1) // 2
    axes.set_axis_off()
    axes.set_xlim(1 - 0.32 * (k - 1), k + 0.32 * (k - 1))
    axes.set_ylim(top + step * rows, -1.6)
    axes.plot([1, k], [0, 0], color="black", linewidth=1)
    for tick in range(1, k + 1):
        axes.plot((tick, tick), (0, -0.15), color="black", linewidth=1)
        axes.text(tick, -0.25, str(tick), ha="center", va="bottom", fontsize=9)
    for at, (rank, name) in enumerate(ordered):
        left = at < rows
        height = top + step * (at if left else k - 1 - at)
        edge = 1 - 0.05 * (k - 1) if left else k + 0.05 * (k - 1)
        axes.plot((rank, rank, edge), (0, height, height), color="black", linewidth=0.8)
        label = f"{name}  {rank:.2f} " if left else f" {rank:.2f}  {name}"
        axes.text(edge, height, label, ha="right" if left else "left", va="center", fontsize=9)
    for at, (first, last) in enumerate(spans):
        axes.plot([first - 0.04, last + 0.04], [0.25 + 0.3 * at] * 2, color="C3", linewidth=3, solid_capstyle="butt")
    start, width = 1.0, ranking.critical_difference
    axes.plot([start, start + width], [-1.1, -1.1], "|-", color="black", linewidth=1, markersize=6)
    axes.text(
        start + width / 2, -1.2, f"CD {width:.2f} at alpha {ranking.alpha:g}", ha="center", va="bottom", fontsize=9
    )
