"""The command that trains the tables of the papers again, and puts ours beside them."""

import sys
from pathlib import Path

import click

from formulanas.cli.options import EXIT_INTERRUPTED, as_json, print_json, progress
from formulanas.errors import InputError


@click.command()
@click.argument("table", required=False)
@click.option("--run", is_flag=True, help="Train the runs that are missing; without it, nothing is trained.")
@click.option("--epochs", type=click.IntRange(1), help="Shorten the schedules: marked, and kept apart.")
@click.option("--dataset", help="One data set of the table; cifar10-mini stands in for cifar10: marked, kept apart.")
@click.option("--network", "networks", multiple=True, metavar="NAME", help="A network of the table; may be repeated.")
@click.option("--limit", type=click.IntRange(1), help="Only the first runs.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where data sets are; by default data/.")
@as_json
def reproduce(
    table: str | None,
    run: bool,
    epochs: int | None,
    dataset: str | None,
    networks: tuple[str, ...],
    limit: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Show the accuracy table TABLE of a paper beside ours, or list the tables; with --run, train what is missing.

    A run is one network on one data set with one seed, trained as `formulanas retrain` does and kept in runs/retrained.
    What is there already is not trained again. Ctrl-C ends it cleanly; the same command goes on.
    """
    from formulanas.reproduce.finished import kept_runs
    from formulanas.reproduce.page import list_lines, table_lines
    from formulanas.reproduce.reproduce import reproduce as run_missing
    from formulanas.reproduce.runs import Asked
    from formulanas.reproduce.state import reproduction
    from formulanas.reproduce.tables import find_table, tables

    asked = Asked(epochs, dataset, networks, limit)
    if table is None:
        if run or asked != Asked():
            raise InputError("reproduce takes a table with these options; without any, it lists the tables")
        kept = kept_runs()
        listed = [reproduction(each, asked, kept) for each in tables().values()]
        if as_json:
            print_json({"tables": [each.to_json() for each in listed]})
        else:
            click.echo("\n".join(list_lines(listed)))
        return
    found = find_table(table)
    if run:
        try:
            done = run_missing(found, asked, progress=progress(), data_dir=data_dir)
        except KeyboardInterrupt:
            click.echo("\nInterrupted: what was finished is kept. Go on by the same command.", err=True)
            sys.exit(EXIT_INTERRUPTED)
    else:
        done = reproduction(found, asked)
    if as_json:
        print_json(done.to_json())
    else:
        click.echo("\n".join(table_lines(done)))
