"""The commands that answer at once: show, paths, space, atlas and data."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from formulanas.cli.options import as_json, bindings, pairs, print_json, progress
from formulanas.cli.options import show as show_lines
from formulanas.errors import InputError


@click.command()
@click.argument("target")
@click.option("--backbone", help="A backbone by name.  [default: that of the run, else cifar-resnet-20]")
@click.option(
    "--dataset", help="The data set whose images and classes count.  [default: that of the run, else cifar10]"
)
@click.option("--blocks", type=click.IntRange(1), help="The number of blocks for the paths.  [default: the backbone's]")
@click.option("--source", is_flag=True, help="Print the code of the forward pass.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Draw the formula to an SVG file.")
@click.option("--equals", metavar="TARGET", help="Another target: the same architecture, or an equal linear system?")
@bindings
@as_json
def show(
    target: str,
    backbone: str | None,
    dataset: str | None,
    blocks: int | None,
    source: bool,
    svg: Path | None,
    equals: str | None,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show TARGET: canonical formula, key, parameters, multiply-accumulates, history depth, paths and growth."""
    from formulanas.analysis.equivalence import equivalence
    from formulanas.report.show import describe, description_lines
    from formulanas.store.targets import resolve

    facts = describe(target, pairs(bindings, "--bind"), backbone, dataset, blocks)
    if svg is not None:
        from formulanas.report.diagram import write_diagram

        write_diagram(svg, resolve(target, pairs(bindings, "--bind")).recursion)
    compared = None
    if equals is not None:
        other = resolve(equals).recursion
        compared = equivalence(resolve(target, pairs(bindings, "--bind")).recursion, other)
        facts["equals"] = {"formula": other.text, **asdict(compared)}
    if as_json:
        print_json({name: value for name, value in facts.items() if name != "source"})
    elif source:
        click.echo(facts["source"])
    else:
        show_lines(description_lines(facts))
        if compared is not None:
            click.echo(f"equals     {compared.statement} (A is {facts['formula']}, B is {facts['equals']['formula']})")


@click.command()
@click.argument("target")
@click.option("--blocks", type=click.IntRange(1), help="The number of blocks L, all of one stage.")
@click.option("--backbone", help="Count over a backbone, and each of its stages.  [default: that of a run]")
@click.option("--expand", is_flag=True, help="List each path by the residual functions it passes, over a few blocks.")
@click.option("--measure", is_flag=True, help="Measure lesions and gradients of TARGET, a retrained model's folder.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the measurement: .png or .svg.")
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
    from formulanas.architecture.backbones import backbone as backbone_of
    from formulanas.store.targets import resolve

    if plot and not measure:
        raise InputError("--plot draws what --measure finds; add --measure")
    if blocks and backbone:
        raise InputError("--blocks are of one stage, a --backbone has its own; give one of them")
    found = resolve(target, pairs(bindings, "--bind"))
    over = backbone_of(backbone) if backbone else found.backbone
    if blocks is None and over is None:
        raise InputError("a formula has no number of blocks of its own; give it by --blocks or --backbone")
    depths = (blocks,) if blocks else over.depths if over else ()
    stages = [stage for stage, depth in enumerate(depths, 1) for _ in range(depth)]
    recursion = found.recursion
    counted = paths_over(recursion, stages)
    parts = [(depth, paths_over(recursion, [1] * depth)) for depth in depths] if len(depths) > 1 else []
    words = expansion(recursion, len(stages)) if expand else {}
    measured = _measured(target, recursion.text, plot) if measure else None
    if as_json:
        sys.set_int_max_str_digits(0)
        document = {
            "formula": recursion.text,
            "blocks": len(stages),
            "lengths": counted.lengths,
            "gross": counted.gross,
            "total": counted.total,
            "exact": counted.net.exact,
            "multiplicity": multiplicity(recursion, len(stages)),
            "stages": [{"blocks": depth, "lengths": each.lengths, "gross": each.gross} for depth, each in parts],
        }
        if expand:
            document["expansion"] = [
                {"weight": plain_number(weight), "functions": [str(letter) for letter in word]}
                for word, weight in in_order(words)
            ]
        if measured:
            document["measured"] = measured
        print_json(document)
    else:
        from formulanas.report.show import path_lines

        show_lines(path_lines(recursion.text, counted, parts))
        if expand:
            click.echo(render_words(words))
        if measured:
            from formulanas.report.measured import measured_lines

            show_lines(measured_lines(measured))


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


@click.command()
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5.")
@click.option("--samples", default=5, show_default=True, help="How many random architectures to show.")
@click.option("--count/--no-count", default=True, help="Count the distinct architectures, which takes a while.")
@as_json
def space(space: Path, settings: tuple[str, ...], samples: int, count: bool, as_json: bool) -> None:
    """Validate the space file SPACE, count its architectures, list its points and show a few samples."""
    from formulanas.report.space import space_lines
    from formulanas.search.space.describe import describe_space

    described = describe_space(space, pairs(settings, "--set"), samples, count, progress())
    if as_json:
        print_json(described)
    else:
        show_lines(space_lines(described))


@click.command()
@click.argument("name", required=False)
@as_json
def atlas(name: str | None, as_json: bool) -> None:
    """List the published formulas, or show one."""
    from formulanas.report.show import atlas_entries, atlas_lines

    entries = atlas_entries(name)
    if as_json:
        print_json({"formulas": entries})
    else:
        show_lines(atlas_lines(entries))


@click.command()
@click.argument("name", required=False)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@as_json
def data(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Say which data sets are here; with NAME, fetch it where it is missing, and verify its files."""
    from formulanas.data.catalogue import DEFAULT_DATA_DIR, catalogue, fetch

    folder = data_dir or DEFAULT_DATA_DIR
    if name:
        from formulanas.data.verify import verify

        fetch(name, folder)
        click.echo(f"{name}: {verify(name, folder)}", err=as_json)
    listed = [entry for entry in catalogue(folder) if name in (None, entry["name"])]
    if as_json:
        print_json({"datasets": listed})
        return
    for entry in listed:
        click.echo(f"{entry['name']:<13} {'here' if entry['present'] else 'missing':<8} {entry['description']}")
        click.echo(f"              {entry['folder']}" + (f", from {entry['url']}" if entry["url"] else ""))


@click.command()
@click.option("--paths", "wanted", required=True, metavar="EXPR", help="(1+z)^L, sum(z^i, i, 0, L), or 1; 1,1; 1,1,1.")
@click.option("--max-depth", default=4, show_default=True, help="The greatest history depth to try, up to 6.")
@click.option("--bind", "bindings", multiple=True, metavar="NAME=VALUE", help="A number for a name in EXPR: k=3.")
@as_json
def design(wanted: str, max_depth: int, bindings: tuple[str, ...], as_json: bool) -> None:
    """Design backwards: find the recursion that has the wanted paths by length, for every number of blocks L.

    EXPR is the path polynomial, in which z marks a residual function that is passed, or a table with a row of
    coefficients for each L from 0. Exit code 1 says that there is none up to the history depth.
    """
    from formulanas.analysis.design import design as find

    found = find(wanted, max_depth, pairs(bindings, "--bind"))
    recursion = found.recursion
    if as_json:
        print_json(
            {
                "paths": wanted,
                "formula": recursion.text if recursion else None,
                "key": recursion.key if recursion else None,
                "history_depth": recursion.history_depth if recursion else None,
                "anchor": recursion.reads_anchor if recursion else None,
                "exact": found.exact,
                "determined_by": found.determined_by,
                "blocks": found.num_blocks,
                "reason": found.reason,
            }
        )
    else:
        click.echo(found.statement)
    if recursion is None:
        click.get_current_context().exit(1)
