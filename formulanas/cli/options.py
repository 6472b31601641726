"""What the commands share: options, how they print, and how they read NAME=VALUE."""

import json
from collections.abc import Mapping
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


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """What a repeated option NAME=VALUE says."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"{option} takes NAME=VALUE, but got {text!r}")
        pairs[name.strip()] = value.strip()
    return pairs


def console(as_json: bool, err: bool = True) -> "Console":
    """Where text for readers goes: standard error while work is under way or the output is JSON."""
    from rich.console import Console

    return Console(stderr=err or as_json)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(document))
