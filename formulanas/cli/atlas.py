"""The command that lists the published formulas."""

import click

from formulanas.cli.options import answer, as_json


@click.command()
@click.argument("name", required=False)
@as_json
def atlas(name: str | None, as_json: bool) -> None:
    """List the published formulas, or show one."""
    from formulanas.report.show import atlas_entries, atlas_lines

    entries = atlas_entries(name)
    answer(as_json, {"formulas": entries}, atlas_lines(entries))
