"""The command that says which data sets are here, and fetches one."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from formulanas.cli.options import answer, as_json, data_dir

if TYPE_CHECKING:
    from formulanas.progress import Line


@click.command()
@click.argument("name", required=False)
@data_dir
@as_json
def data(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Say which data sets are here; with NAME, fetch it where it is missing, and verify its files."""
    from formulanas.data.catalogue import DEFAULT_DATA_DIR, catalogue, fetch

    folder = data_dir or DEFAULT_DATA_DIR
    if name:
        from formulanas.data.verify import verify

        fetch(name, folder)
        click.echo(f"{name}: {verify(name, folder)}", err=as_json)
    listed = [entry for entry in catalogue(folder) if name in (None, entry["name"])]
    answer(as_json, {"datasets": listed}, _lines(listed))


def _lines(entries: Iterable[Mapping[str, Any]]) -> "Iterator[Line]":
    for entry in entries:
        yield f"{entry['name']:<13} {'here' if entry['present'] else 'missing':<8} {entry['description']}"
        yield f"              {entry['folder']}" + (f", from {entry['url']}" if entry["url"] else "")
