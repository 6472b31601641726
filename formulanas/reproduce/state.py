"""Where a table stands: which of its runs are done, what is left, and the paper's figures beside ours."""

from dataclasses import asdict, dataclass
from statistics import fmean, median, stdev
from typing import Any, Literal, assert_never

from formulanas.reproduce.finished import Kept, find, kept_runs
from formulanas.reproduce.runs import Asked, Run, shortening
from formulanas.reproduce.tables import Column, Figure, Measure, Row, Table
from formulanas.store.models import Model

RESULT_KEYS: dict[Measure, str] = {"top1": "top1", "top5": "top5", "ten_crop": "ten_crop_top1"}


@dataclass(frozen=True)
class Standing:
    """A run, and how far it is; `reason` says why it cannot be run, `folder` where it is kept."""

    run: Run
    state: Literal["done", "begun", "missing", "impossible"]
    reason: str = ""
    kept: Model | None = None


@dataclass(frozen=True)
class Cell:
    """A figure of the paper and what our runs came to, in percent; `values` are in the order of the seeds."""

    network: str
    column: Column
    paper: Figure
    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean of our runs, as far as there are any."""
        return fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The sample deviation of our runs, of which it takes two."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Ours less the paper's."""
        return None if self.mean is None else self.mean - self.paper.value


@dataclass(frozen=True)
class Reproduction:
    """A table with the runs that were asked for."""

    table: Table
    asked: Asked
    standings: tuple[Standing, ...]
    cells: tuple[Cell, ...]
    seconds_left: float | None  # None: unknown, as nothing like it was finished yet

    @property
    def shortened(self) -> str:
        """How the runs differ from the paper's, or nothing; such figures are none of the paper's experiment."""
        return shortening([each.run for each in self.standings])

    def count(self, state: str) -> int:
        """The number of runs in a state."""
        return sum(each.state == state for each in self.standings)

    def to_json(self) -> dict[str, Any]:
        """The table as `reproduce --json` prints it."""
        return {
            "table": self.table.name,
            "paper": self.table.paper,
            "measure": self.table.measure,
            "shortened": self.shortened or None,
            "runs": {
                "total": len(self.standings),
                **{state: self.count(state) for state in ("done", "begun", "missing", "impossible")},
            },
            "seconds_left": self.seconds_left,
            "cells": [
                {
                    "network": each.network,
                    "dataset": each.column.dataset,
                    "measure": each.column.measure,
                    "paper": asdict(each.paper),
                    "mean": each.mean,
                    "deviation": each.deviation,
                    "n": len(each.values),
                    "values": each.values,
                    "difference": each.difference,
                }
                for each in self.cells
            ],
            "list": [
                {
                    **asdict(each.run),
                    "state": each.state,
                    "reason": each.reason or None,
                    "folder": str(each.kept.folder) if each.kept else None,
                    "shortened": shortening([each.run]) or None,
                }
                for each in self.standings
            ],
            "notes": self.table.notes,
        }


def reproduction(table: Table, asked: Asked, kept: Kept | None = None) -> Reproduction:
    """The table with the runs asked for, as they stand on disk now; `kept` is what is there, where it is known."""
    found = kept_runs() if kept is None else kept
    standings = tuple(_standing(run, found) for run in asked.select(table))
    return Reproduction(table, asked, standings, _cells(table, asked, standings), _seconds_left(standings, found))


def _standing(run: Run, kept: Kept) -> Standing:
    if run.obstacle:
        return Standing(run, "impossible", run.obstacle)
    found = find(run, kept)
    if found is None:
        return Standing(run, "missing")
    return Standing(run, "begun" if found.result is None else "done", kept=found)


def _cells(table: Table, asked: Asked, standings: tuple[Standing, ...]) -> tuple[Cell, ...]:
    """The cells that the runs fill, by column; cited rows too, where the table is not cut down."""
    datasets = {each.run.column_dataset for each in standings}
    networks = {(each.run.network, each.run.column_dataset) for each in standings}
    return tuple(
        Cell(row.name, column, row.figures[column], _values(table, row, column, standings))
        for column in table.columns
        if column.dataset in datasets
        for row in table.rows
        if column in row.figures and ((row.name, column.dataset) in networks or (row.network is None and asked.is_all))
    )


def _values(table: Table, row: Row, column: Column, standings: tuple[Standing, ...]) -> tuple[float, ...]:
    shares = [
        getattr(each.kept.result, RESULT_KEYS[column.measure])
        for each in standings
        if each.run.network == row.name and each.run.column_dataset == column.dataset
        if each.kept and each.kept.result
    ]
    match table.measure:
        case "accuracy":
            return tuple(100 * share for share in shares if share is not None)
        case "error":
            return tuple(100 * (1 - share) for share in shares if share is not None)
        case _ as never:
            assert_never(never)


def _seconds_left(standings: tuple[Standing, ...], kept: Kept) -> float | None:
    """An estimate: epochs x multiply-accumulates of what is left, at the speed of what was finished on these data."""
    speeds: dict[str, list[float]] = {}
    for each in kept.values():
        if each.result:
            work = each.result.macs * each.result.epochs
            speeds.setdefault(each.settings.dataset, []).append(each.result.seconds / work)
    left = [each.run for each in standings if each.state in ("missing", "begun")]
    if any(run.dataset not in speeds for run in left):
        return None
    return sum(run.macs * run.recipe.epochs * median(speeds[run.dataset]) for run in left)
