"""The command that says what a search space holds."""

from pathlib import Path

import click

from formulanas.cli.options import FILE, answer, as_json, pairs, progress, settings


@click.command()
@click.argument("space", type=FILE)
@settings
@click.option("--samples", default=5, show_default=True, help="How many random architectures to show.")
@click.option("--count/--no-count", default=True, help="Count the distinct architectures, which takes a while.")
@as_json
def space(space: Path, settings: tuple[str, ...], samples: int, count: bool, as_json: bool) -> None:
    """Validate the space file SPACE, count its architectures, list its points and show a few samples."""
    from formulanas.report.space import space_lines
    from formulanas.search.space.describe import describe_space

    facts = describe_space(space, pairs(settings, "--set"), samples, count, progress())
    answer(as_json, facts, space_lines(facts))
