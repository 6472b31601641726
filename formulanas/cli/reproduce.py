"""The command that trains the tables of the papers again, and puts ours beside them."""

from pathlib import Path

import click

from formulanas.cli.options import answer, as_json, data_dir, interruptible, progress
from formulanas.errors import InputError


@click.command()
@click.argument("table", required=False)
@click.option("--run", is_flag=True, help="Train the runs that are missing; without it, nothing is trained.")
@click.option("--epochs", type=click.IntRange(1), help="Shorten the schedules: marked, and kept apart.")
@click.option("--dataset", help="One data set of the table; cifar10-mini stands in for cifar10: marked, kept apart.")
@click.option("--network", "networks", multiple=True, metavar="NAME", help="A network of the table; may be repeated.")
@click.option("--limit", type=click.IntRange(1), help="Only the first runs.")
@data_dir
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
        listed = [reproduction(table_of_paper, asked, kept) for table_of_paper in tables().values()]
        answer(as_json, {"tables": [state.to_json() for state in listed]}, list_lines(listed))
        return
    chosen = find_table(table)
    if run:
        with interruptible("what was finished is kept. Go on by the same command."):
            done = run_missing(chosen, asked, progress(), data_dir)
    else:
        done = reproduction(chosen, asked)
    answer(as_json, done.to_json(), table_lines(done))
