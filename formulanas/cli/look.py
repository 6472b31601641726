"""The commands that answer at once: show, paths, space, atlas and data."""

import sys
from pathlib import Path

import click

from formulanas.cli.options import as_json, bindings, console, pairs, print_json


@click.command()
@click.argument("target")
@click.option("--backbone", help="A backbone by name.  [default: that of the run, else cifar-resnet-20]")
@click.option(
    "--dataset", help="The data set whose images and classes count.  [default: that of the run, else cifar10]"
)
@click.option("--blocks", type=click.IntRange(1), help="The number of blocks for the paths.  [default: the backbone's]")
@click.option("--source", is_flag=True, help="Print the code of the forward pass.")
@bindings
@as_json
def show(
    target: str,
    backbone: str | None,
    dataset: str | None,
    blocks: int | None,
    source: bool,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show TARGET: canonical formula, key, parameters, multiply-accumulates, history depth, paths and growth."""
    from formulanas.report.show import describe, print_description

    facts = describe(target, pairs(bindings, "--bind"), backbone, dataset, blocks)
    if as_json:
        print_json({name: value for name, value in facts.items() if name != "source"})
    elif source:
        click.echo(facts["source"])
    else:
        print_description(console(False, err=False), facts)


@click.command()
@click.argument("target")
@click.option("--blocks", type=click.IntRange(1), required=True, help="The number of blocks L.")
@bindings
@as_json
def paths(target: str, blocks: int, bindings: tuple[str, ...], as_json: bool) -> None:
    """Count the propagation paths of TARGET by length, the number of residual functions that they pass."""
    from formulanas.analysis.paths import paths as count_paths
    from formulanas.store import resolve

    recursion = resolve(target, pairs(bindings, "--bind")).recursion
    counted = count_paths(recursion, blocks)
    if as_json:
        sys.set_int_max_str_digits(0)
        print_json(
            {
                "formula": recursion.text,
                "blocks": blocks,
                "lengths": counted.lengths,
                "gross": counted.gross,
                "total": counted.total,
            }
        )
    else:
        from formulanas.report.show import print_paths

        print_paths(console(False, err=False), recursion.text, counted)


@click.command()
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5.")
@click.option("--samples", default=5, show_default=True, help="How many random architectures to show.")
@click.option("--count/--no-count", default=True, help="Count the distinct architectures, which takes a while.")
@as_json
def space(space: Path, settings: tuple[str, ...], samples: int, count: bool, as_json: bool) -> None:
    """Validate the space file SPACE, count its architectures, list its points and show a few samples."""
    from formulanas.search.describe import describe_space, print_space

    described = describe_space(space, pairs(settings, "--set"), samples, count, console(as_json))
    if as_json:
        print_json(described)
    else:
        print_space(console(False, err=False), described)


@click.command()
@click.argument("name", required=False)
@as_json
def atlas(name: str | None, as_json: bool) -> None:
    """List the published formulas, or show one."""
    from formulanas.report.show import atlas_entries, print_atlas

    entries = atlas_entries(name)
    if as_json:
        print_json({"formulas": entries})
    else:
        print_atlas(console(False, err=False), entries)


@click.command()
@click.argument("name", required=False)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@as_json
def data(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Say which data sets are here; with NAME, fetch it where it is missing, and verify its files."""
    from formulanas.data.catalogue import DEFAULT_DATA_DIR, catalogue, fetch

    folder = data_dir or DEFAULT_DATA_DIR
    if name:
        from formulanas.data.test_set import read_test_set
        from formulanas.data.training_set import read_training_set

        fetch(name, folder)
        sizes = len(read_training_set(name, folder)), len(read_test_set(name, folder))
        click.echo(f"{name}: {sizes[0]:,} training and {sizes[1]:,} test images, complete", err=as_json)
    listed = [entry for entry in catalogue(folder) if name in (None, entry["name"])]
    if as_json:
        print_json({"datasets": listed})
        return
    for entry in listed:
        click.echo(f"{entry['name']:<13} {'here' if entry['present'] else 'missing':<8} {entry['description']}")
        click.echo(f"              {entry['folder']}" + (f", from {entry['url']}" if entry["url"] else ""))
