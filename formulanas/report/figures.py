"""Figures: what was measured beside what was predicted, as PNG or SVG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from formulanas.errors import InputError

FORMATS = (".png", ".svg")


def check_figure_path(path: Path) -> None:
    """Raises InputError for a file that no figure can be written to, before anything long is measured."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"a figure ends in {' or '.join(FORMATS)}, but got {path}")
    if not path.resolve().parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} to; make it first")


def draw_measured(path: Path, formula: str, measured: Mapping[str, Any]) -> None:
    """Draws the lesions of a trained network and its gradient by path length, as `measure` returns them, to `path`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(formula, family="monospace", fontsize=10, wrap=True)
    left, right = figure.subplots(1, 2)

    accuracies = [100 * lesion["accuracy"] for lesion in measured["lesions"]]
    left.bar(range(1, len(accuracies) + 1), accuracies, color="C0")
    left.axhline(100 * measured["accuracy"], color="black", linewidth=1, linestyle="--", label="whole network")
    left.set(xlabel="block without its residual functions", ylabel="training images right, %", title="Lesions")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(0, 100)
    left.legend()

    styles = {"predicted": "o--", "measured": "o-", "sampled": "s:"}
    for name, style in styles.items():
        first, last = measured["effective_range"][name]
        shares = [100 * share for share in measured["shares"][name]]
        right.plot(range(len(shares)), shares, style, markersize=4, label=f"{name}, 90 % in {first} to {last}")
    title = f"Gradient at the stem (predicted with {measured['weight']:.2f} a function)"
    right.set(xlabel="residual functions passed", ylabel="share of the gradient, %", title=title)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_ylim(bottom=0)
    right.legend()
    figure.savefig(path, dpi=150)
