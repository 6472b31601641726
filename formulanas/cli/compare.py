"""The command that compares methods over data sets, or over seeds."""

from pathlib import Path

import click

from formulanas.cli.options import FILE, answer, as_json
from formulanas.errors import InputError


@click.command()
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--table", type=FILE, metavar="FILE", help="Compare the rows of a CSV file instead.")
@click.option(
    "--columns", metavar="NAME,...", help="Data sets and measures by words of their names: top1.  [targets: top1]"
)
@click.option("--lower-is-better", is_flag=True, help="Rank the columns of a table as errors.  [default: by name]")
@click.option("--alpha", default=0.05, show_default=True, help="The level of the tests and intervals.")
@click.option("--mixed", is_flag=True, help="Allow targets of different recipes on one data set.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw the average ranks: .png or .svg.")
@as_json
def compare(
    targets: tuple[str, ...],
    table: Path | None,
    columns: str | None,
    lower_is_better: bool,
    alpha: float,
    mixed: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Say what may be claimed of methods: Friedman's and Nemenyi's tests over data sets, or intervals over seeds.

    Each TARGET is a retrained model's folder, a folder of such folders, or a formula, published name or trial, which
    stands for all of its finished retrainings in runs/. A formula over a backbone is a method, its seeds are averaged.
    Three methods on two data sets or more are ranked; fewer are compared by their seeds. A table has a method a row.
    """
    from formulanas.compare.compare import compare_table, compare_targets
    from formulanas.report.comparison import comparison_lines
    from formulanas.report.figures import check_figure_path
    from formulanas.report.rank_figures import draw_ranking

    if bool(targets) == (table is not None):
        raise InputError("compare takes targets or a --table FILE.csv; give one of the two")
    if plot:
        check_figure_path(plot)
    wanted = [each.strip() for each in columns.split(",")] if columns else []
    if table is not None:
        if mixed:
            raise InputError("--mixed is about the recipes of targets; a --table has none")
        compared = compare_table(table, wanted, lower_is_better, alpha)
    else:
        if lower_is_better:
            raise InputError("--lower-is-better is about a --table; targets are compared by accuracy")
        compared = compare_targets(targets, wanted, mixed, alpha)
    if plot:
        if compared.ranking is None:
            raise InputError("--plot draws ranks, of 3 methods on 2 data sets or more; here seeds are compared")
        draw_ranking(plot, compared.ranking, ", ".join(compared.scores.columns))
        click.echo(f"drawn in {plot}", err=True)
    answer(as_json, compared.to_json(), comparison_lines(compared))
