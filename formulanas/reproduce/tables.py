"""The accuracy tables of the papers as data: networks, data sets, recipes, seeds, and the figures that were printed."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from formulanas.errors import InputError, unknown_name
from formulanas.records import from_mapping

TABLES_FILE = Path(__file__).with_name("tables.toml")
Measure = Literal["top1", "top5", "ten_crop"]


@dataclass(frozen=True)
class Network:
    """A published network: a formula, or its published name, over a backbone by name."""

    formula: str
    backbone: str


@dataclass(frozen=True)
class Figure:
    """A printed figure in percent: of one run, or the mean of several; `headline` is a median or the best of them."""

    value: float
    deviation: float | None = None
    headline: float | None = None


@dataclass(frozen=True)
class Column:
    """What the figures of a column measure."""

    dataset: str
    measure: Measure

    @property
    def title(self) -> str:
        """The column's name for readers."""
        return self.dataset if self.measure == "top1" else f"{self.dataset} {self.measure.replace('_', ' ')}"


@dataclass(frozen=True)
class Training:
    """How the networks of a table are trained on one of its data sets."""

    recipe: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """The figures of a network by column; no network where the figures are cited only."""

    name: str
    figures: Mapping[Column, Figure]
    network: Network | None = None
    seeds: tuple[int, ...] | None = None  # where they are not those of the data set


@dataclass(frozen=True)
class Table:
    """A table of a paper; `notes` say what is known to be wrong in it, and what is not known."""

    name: str
    paper: str
    measure: Literal["accuracy", "error"]
    datasets: Mapping[str, Training]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in the order of the rows."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row.figures))


@dataclass(frozen=True)
class _Entry:
    paper: str
    measure: Literal["accuracy", "error"]
    datasets: dict[str, Training]
    rows: dict[str, dict[str, Any]]
    cited: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@cache
def tables() -> dict[str, Table]:
    """All tables by name, in the order of the file."""
    document = tomllib.loads(TABLES_FILE.read_text())
    networks = {name: Network(**entry) for name, entry in document.pop("networks").items()}
    return {name: _table(name, from_mapping(_Entry, entry, name), networks) for name, entry in document.items()}


def find_table(name: str) -> Table:
    """The table `name`."""
    if name not in tables():
        raise InputError(unknown_name("table", name, tables()))
    return tables()[name]


def _table(name: str, entry: _Entry, networks: Mapping[str, Network]) -> Table:
    trainings = {
        dataset: Training(str(TABLES_FILE.with_name(each.recipe)), each.seeds)
        if each.recipe.endswith(".yaml")
        else each
        for dataset, each in entry.datasets.items()
    }
    rows = [_row(label, cells, networks[label]) for label, cells in entry.rows.items()]
    rows += [_row(label, cells, None) for label, cells in entry.cited.items()]
    return Table(name, entry.paper, entry.measure, trainings, tuple(rows), entry.notes)


def _row(name: str, cells: dict[str, Any], network: Network | None) -> Row:
    figures = {
        _column(key): Figure(*cell) if isinstance(cell, list) else Figure(cell)
        for key, cell in cells.items()
        if key != "seeds"
    }
    return Row(name, figures, network, tuple(cells["seeds"]) if "seeds" in cells else None)


def _column(key: str) -> Column:
    dataset, _, measure = key.partition("_")
    match measure:
        case "":
            return Column(dataset, "top1")
        case "top5" | "ten_crop":
            return Column(dataset, measure)
        case _:
            raise AssertionError(key)
