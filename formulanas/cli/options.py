"""What the commands share: options, how they print, and how they read NAME=VALUE."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from formulanas.errors import InputError

if TYPE_CHECKING:
    from formulanas.progress import Line, Progress

EXIT_MISTAKE, EXIT_INTERRUPTED = 2, 130

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
bindings = click.option(
    "--bind", "bindings", multiple=True, metavar="SYMBOL=VALUE", help="A value for a free symbol of the formula: k=2."
)


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """What a repeated option NAME=VALUE says."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} takes NAME=VALUE, but got {text!r}")
        pairs[name.strip()] = value.strip()
    return pairs


def progress() -> "Progress":
    """What long work says goes to standard error."""
    from formulanas.report.terminal import TerminalProgress

    return TerminalProgress()


def show(lines: "Iterable[Line]") -> None:
    """Prints lines for readers on standard output."""
    from formulanas.report.terminal import show

    show(lines)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(document))
