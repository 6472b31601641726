"""The command line. Commands import what they need when they run, so that help and analysis answer at once."""

import os
import sys
from typing import Any

import click

from formulanas.cli.atlas import atlas
from formulanas.cli.compare import compare
from formulanas.cli.data import data
from formulanas.cli.design import design
from formulanas.cli.export import export
from formulanas.cli.options import EXIT_MISTAKE
from formulanas.cli.paths import paths
from formulanas.cli.reproduce import reproduce
from formulanas.cli.retrain import retrain
from formulanas.cli.search import search
from formulanas.cli.show import show
from formulanas.cli.space import space
from formulanas.cli.status import status
from formulanas.errors import InputError


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


for command in (search, status, retrain, reproduce, export, compare, show, paths, space, atlas, data, design):
    main.add_command(command)


def run() -> None:
    """The entry point of the installed command."""
    try:
        main()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
