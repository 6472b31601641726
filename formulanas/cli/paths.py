"""The command that counts the propagation paths of a formula, and measures those of a trained network."""

from pathlib import Path
from typing import Any

import click

from formulanas.cli.options import FILE, answer, as_json, bindings, pairs
from formulanas.errors import InputError


@click.command()
@click.argument("target")
@click.option("--blocks", type=click.IntRange(1), help="The number of blocks L, all of one stage.")
@click.option("--backbone", help="Count over a backbone, and each of its stages.  [default: that of a run or model]")
@click.option("--expand", is_flag=True, help="List each path by the residual functions it passes, over a few blocks.")
@click.option("--measure", is_flag=True, help="Measure lesions and gradients of TARGET, a retrained model's folder.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw the measurement: .png or .svg.")
@bindings
@as_json
def paths(
    target: str,
    blocks: int | None,
    backbone: str | None,
    expand: bool,
    measure: bool,
    plot: Path | None,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Count the propagation paths of TARGET by length, the number of residual functions that they pass.

    Over a backbone, the whole network is counted and each of its stages alone. Whole weights are exact, unless there
    is too much to add up.
    """
    from formulanas.analysis.paths import multiplicity, paths_over
    from formulanas.analysis.words import expansion, in_order, plain_number, render_words
    from formulanas.report.measured import measured_lines
    from formulanas.report.show import path_lines
    from formulanas.store.targets import resolve

    if plot and not measure:
        raise InputError("--plot draws what --measure finds; add --measure")
    if blocks and backbone:
        raise InputError("--blocks are of one stage, a --backbone has its own; give one of them")
    found = resolve(target, pairs(bindings, "--bind"))
    if not blocks and not backbone and found.backbone is None:
        raise InputError("a formula has no number of blocks of its own; give it by --blocks or --backbone")
    depths = (blocks,) if blocks else found.over(backbone).architecture.backbone.depths
    recursion, num_blocks = found.recursion, sum(depths)
    counted = paths_over(recursion, [stage for stage, depth in enumerate(depths, 1) for _ in range(depth)])
    stages = [(depth, paths_over(recursion, [1] * depth)) for depth in depths] if len(depths) > 1 else []
    document = {
        "formula": recursion.text,
        "blocks": num_blocks,
        "lengths": counted.lengths,
        "gross": counted.gross,
        "total": counted.total,
        "exact": counted.net.exact,
        "multiplicity": multiplicity(recursion, num_blocks),
        "stages": [{"blocks": depth, "lengths": stage.lengths, "gross": stage.gross} for depth, stage in stages],
    }
    lines = list(path_lines(recursion.text, counted, stages))
    if expand:
        words = expansion(recursion, num_blocks)
        document["expansion"] = [
            {"weight": plain_number(weight), "functions": [str(letter) for letter in word]}
            for word, weight in in_order(words)
        ]
        lines.append(render_words(words))
    if measure:
        document["measured"] = measured = _measured(target, recursion.text, plot)
        lines += measured_lines(measured)
    answer(as_json, document, lines)


def _measured(target: str, formula: str, plot: Path | None) -> dict[str, Any]:
    """What is measured on a retrained model, drawn to `plot` where that is given."""
    from formulanas.report.figures import check_figure_path, draw_measured
    from formulanas.training.lesion import measure
    from formulanas.training.load import load_retrained

    if plot:
        check_figure_path(plot)
    model = load_retrained(target)
    click.echo("measuring, which takes about a minute for 20 layers without a GPU", err=True)
    measured = measure(model)
    if plot:
        draw_measured(plot, formula, measured)
        click.echo(f"drawn in {plot}", err=True)
    return measured
