"""The command that compares methods over data sets, or over seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from formulanas.cli.options import FILE, answer, as_json
from formulanas.errors import InputError


def names(option: str, text: str) -> Callable[[Any], Any]:
    """An option that takes names, separated by commas."""

    def split(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
        return [name.strip() for name in value.split(",")] if value else []

    return click.option(option, metavar="NAME,...", callback=split, help=text)


@click.command()
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--table", type=FILE, metavar="FILE", help="Compare the rows of a CSV file instead.")
@click.option("--transpose", is_flag=True, help="The rows of the table are data sets, its columns methods.")
@names("--columns", "Data sets and measures by words of their names: top1.  [targets: top1]")
@names("--lower", "Less is better in these columns of a table; all: where names do not say.  [default: by name]")
@names("--higher", "More is better in these columns of a table; all: where names do not say.  [default: by name]")
@click.option("--alpha", default=0.05, show_default=True, help="The level of the tests and intervals.")
@click.option("--mixed", is_flag=True, help="Allow targets of different recipes on one data set.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw the average ranks: .png or .svg.")
@as_json
def compare(
    targets: tuple[str, ...],
    table: Path | None,
    transpose: bool,
    columns: list[str],
    lower: list[str],
    higher: list[str],
    alpha: float,
    mixed: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Say what may be claimed of methods: Friedman's and Nemenyi's tests over data sets, or intervals over seeds.

    Each TARGET is a retrained model's folder, a folder of such folders, or a formula, published name or trial, which
    stands for all of its finished retrainings in runs/. A formula over a backbone is a method, its seeds are averaged.
    Three methods on two data sets or more are ranked; fewer are compared by their seeds. A table has a method a row
    and a data set a column.
    """
    from formulanas.compare.compare import compare_table, compare_targets
    from formulanas.report.comparison import comparison_lines
    from formulanas.report.figures import check_figure_path
    from formulanas.report.rank_figures import draw_ranking

    if bool(targets) == (table is not None):
        raise InputError("compare takes targets or a --table FILE.csv; give one of the two")
    if plot:
        check_figure_path(plot)
    if table is not None:
        if mixed:
            raise InputError("--mixed is about the recipes of targets; a --table has none")
        compared = compare_table(table, columns, lower, higher, transpose, alpha)
    else:
        if transpose or lower or higher:
            raise InputError("--transpose, --lower and --higher are about a --table; targets are compared by accuracy")
        compared = compare_targets(targets, columns, mixed, alpha)
    if plot:
        if compared.ranking is None:
            raise InputError("--plot draws ranks, of 3 methods on 2 data sets or more; here seeds are compared")
        draw_ranking(plot, compared.ranking, ", ".join(compared.scores.columns))
        click.echo(f"drawn in {plot}", err=True)
    answer(as_json, compared.to_json(), comparison_lines(compared))
