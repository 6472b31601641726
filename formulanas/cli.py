"""The command line. Commands import what they need when they run, so that help and analysis answer at once."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from formulanas.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

EXIT_MISTAKE, EXIT_INTERRUPTED = 2, 130

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
bindings = click.option(
    "--bind", "bindings", multiple=True, metavar="SYMBOL=VALUE", help="A value for a free symbol of the formula: k=2."
)


class _Commands(click.Group):
    """Says every mistake of the user in one message with exit code 2, never as a traceback without --debug."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InputError as error:
            if context.params.get("debug"):
                raise
            click.echo(f"Error: {error}", err=True)
            context.exit(EXIT_MISTAKE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="formulanas")
def main(debug: bool) -> None:
    """Neural architecture search in which an architecture is a recursion formula.

    A TARGET is a formula in quotes, the name of a published formula (`formulanas atlas` lists them), `best` (of the
    latest finished search), RUN, RUN:best, RUN:17 (a trial), or the folder of a retrained model.
    """


@main.command()
@click.argument("space", type=click.Path(path_type=Path), required=False)
@click.option("--trials", type=int, help="Architectures to train; by default as the space file says.")
@click.option("--seed", default=0, show_default=True, help="Makes a run with one worker repeatable.")
@click.option("--name", help="The run's name, a folder in runs/; by default the space's name and a number.")
@click.option("--resume", is_flag=True, help="Go on with a run: --name, or the latest of this space.")
@click.option("--workers", type=int, help="Trials side by side; by default what the machine carries.")
@click.option("--dataset", help="The images of the proxy: auto, cifar10-mini, cifar10 or cifar100.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5.")
@as_json
def search(
    space: Path | None,
    trials: int | None,
    seed: int,
    name: str | None,
    resume: bool,
    workers: int | None,
    dataset: str | None,
    data_dir: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Search the space file SPACE and print a leaderboard.

    The named points of the space are trained first. The run is kept in runs/NAME; Ctrl-C ends it cleanly, and
    --resume goes on with it.
    """
    from formulanas.search.search import search as run_search

    if resume and (settings or dataset or data_dir):
        raise InputError("a resumed run keeps its settings (study.yaml); only --trials and --workers can be new")
    try:
        board = run_search(
            space,
            name=name,
            trials=trials,
            seed=seed,
            workers=workers,
            dataset=dataset,
            data_dir=data_dir,
            overrides=_pairs(settings, "--set"),
            resume=resume,
            console=_console(as_json),
        )
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what was finished is kept. Go on by the same command with --resume.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if as_json:
        _print_json({"run": board.run, "trials": board.trials, "rows": [row.to_json() for row in board.rows]})


@main.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Look again every two seconds.")
@as_json
def status(run: str | None, watch: bool, as_json: bool) -> None:
    """Where a run stands; by default the latest."""
    import time

    from formulanas.report.status import print_status, run_status
    from formulanas.store import find_run, runs

    found = runs()
    if not run and not found:
        raise InputError("there are no runs yet; start one by `formulanas search search_spaces/recursion.yaml`")
    chosen = find_run(run) if run else found[0]
    while True:
        now = run_status(chosen)
        if as_json:
            _print_json(now)
        else:
            if watch:
                click.clear()
            print_status(_console(False, err=False), now)
        if not watch or now["state"] == "finished":
            return
        time.sleep(2)


@main.command()
@click.argument("target")
@click.option("--backbone", help="The backbone to train it over.  [default: cifar-resnet-20]")
@click.option("--dataset", help="cifar10, cifar100 or cifar10-mini; by default that of the search.")
@click.option("--recipe", default="cifar", show_default=True, help="The recipe by name.")
@click.option("--epochs", type=click.IntRange(1), help="Stretch or shorten the recipe's schedule.")
@click.option("--seed", default=0, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@bindings
@as_json
def retrain(
    target: str,
    backbone: str | None,
    dataset: str | None,
    recipe: str,
    epochs: int | None,
    seed: int,
    data_dir: Path | None,
    resume: bool,
    bindings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train TARGET through a full schedule, and evaluate it on the test set once, at the end."""
    from formulanas.retrain import retrain as run_retrain

    try:
        result = run_retrain(
            target,
            values=_pairs(bindings, "--bind"),
            backbone_name=backbone,
            dataset_name=dataset,
            recipe_name=recipe,
            epochs=epochs,
            seed=seed,
            data_dir=data_dir,
            resume=resume,
            console=_console(as_json),
        )
    except KeyboardInterrupt:
        click.echo("\nInterrupted: go on from the last checkpoint by the same command with --resume.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if as_json:
        from dataclasses import asdict

        _print_json(asdict(result))
    else:
        click.echo(
            f"test accuracy {100 * result.top1:.2f} % top-1, {100 * result.top5:.2f} % top-5 on {result.test_images:,} "
            f"images, after {result.epochs} epochs in {result.seconds:.0f} s (seed {result.seed}); in {result.folder}"
        )


@main.command()
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

    facts = describe(target, _pairs(bindings, "--bind"), backbone, dataset, blocks)
    if as_json:
        _print_json({name: value for name, value in facts.items() if name != "source"})
    elif source:
        click.echo(facts["source"])
    else:
        print_description(_console(False, err=False), facts)


@main.command()
@click.argument("target")
@click.option("--blocks", type=click.IntRange(1), required=True, help="The number of blocks L.")
@bindings
@as_json
def paths(target: str, blocks: int, bindings: tuple[str, ...], as_json: bool) -> None:
    """Count the propagation paths of TARGET by length, the number of residual functions that they pass."""
    from formulanas.analysis.paths import paths as count_paths
    from formulanas.store import resolve

    recursion = resolve(target, _pairs(bindings, "--bind")).recursion
    counted = count_paths(recursion, blocks)
    if as_json:
        sys.set_int_max_str_digits(0)
        _print_json(
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

        print_paths(_console(False, err=False), recursion.text, counted)


@main.command()
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5.")
@click.option("--samples", default=5, show_default=True, help="How many random architectures to show.")
@click.option("--count/--no-count", default=True, help="Count the distinct architectures, which takes a while.")
@as_json
def space(space: Path, settings: tuple[str, ...], samples: int, count: bool, as_json: bool) -> None:
    """Validate the space file SPACE, count its architectures, list its points and show a few samples."""
    from formulanas.search.describe import describe_space, print_space

    described = describe_space(space, _pairs(settings, "--set"), samples, count, _console(as_json))
    if as_json:
        _print_json(described)
    else:
        print_space(_console(False, err=False), described)


@main.command()
@click.argument("name", required=False)
@as_json
def atlas(name: str | None, as_json: bool) -> None:
    """List the published formulas, or show one."""
    from formulanas.report.show import atlas_entries, print_atlas

    entries = atlas_entries(name)
    if as_json:
        _print_json({"formulas": entries})
    else:
        print_atlas(_console(False, err=False), entries)


@main.command()
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
        _print_json({"datasets": listed})
        return
    for entry in listed:
        click.echo(f"{entry['name']:<13} {'here' if entry['present'] else 'missing':<8} {entry['description']}")
        click.echo(f"              {entry['folder']}" + (f", from {entry['url']}" if entry["url"] else ""))


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} takes NAME=VALUE, but got {text!r}")
        pairs[name.strip()] = value.strip()
    return pairs


def _console(as_json: bool, err: bool = True) -> "Console":
    from rich.console import Console

    return Console(stderr=err or as_json)


def _print_json(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document))


def run() -> None:
    """The entry point of the installed command."""
    try:
        main()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
