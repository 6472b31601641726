"""What the commands share: options, how they answer, and how they read NAME=VALUE."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from formulanas.errors import InputError

if TYPE_CHECKING:
    from formulanas.progress import Line, Progress

EXIT_MISTAKE, EXIT_INTERRUPTED = 2, 130
FILE = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
backbone = click.option(
    "--backbone", help="By name.  [default: that of the run or model, else cifar-resnet-20, for imagenet resnet18]"
)
bindings = click.option(
    "--bind", "bindings", multiple=True, metavar="SYMBOL=VALUE", help="A value for a free symbol of the formula: k=2."
)
data_dir = click.option("--data-dir", type=FILE, help="Where data sets are; by default data/.")
dataset = click.option(
    "--dataset", help="The data set whose images and classes count.  [default: that of the run or model, else cifar10]"
)
settings = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: proxy.recipe.epochs=5."
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


def answer(as_json: bool, document: Mapping[str, Any], lines: "Iterable[Line]") -> None:
    """Says on standard output what a command found: as one JSON object, or in lines for readers."""
    if as_json:
        sys.set_int_max_str_digits(0)  # there may be very many paths
        click.echo(json.dumps(document))
    else:
        from formulanas.report.terminal import show

        show(lines)


def progress() -> "Progress":
    """What long work says goes to standard error."""
    from formulanas.report.terminal import TerminalProgress

    return TerminalProgress()


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Ends the command on Ctrl-C with `advice` on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted: {advice}", err=True)
        sys.exit(EXIT_INTERRUPTED)
