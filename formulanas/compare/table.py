"""Tables of results: methods by data sets, read from CSV, every cell a number or an error with its place."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from formulanas.compare.columns import choose, lower_columns, words
from formulanas.compare.numbers import is_ambiguous, read_number
from formulanas.data.catalogue import DATASETS
from formulanas.errors import InputError
from formulanas.statistics.scores import Scores

DATASET_WORDS = {"dataset", "datasets", "data", "task", "tasks", "benchmark", "benchmarks", "corpus", "problem"}


@dataclass(frozen=True)
class Sheet:
    """The cells of a file: the names of its columns, and its rows by where they stand in the file: line 2."""

    path: Path
    columns: list[str]
    rows: dict[str, list[str]]

    def cells(self, column: str) -> dict[str, str]:
        """The cells of a column by their rows."""
        at = self.columns.index(column)
        return {place: row[at] for place, row in self.rows.items()}


def read_table(
    path: Path,
    wanted: Sequence[str] = (),
    lower: Sequence[str] = (),
    higher: Sequence[str] = (),
    transpose: bool = False,
) -> tuple[Scores, list[str]]:
    """The scores in a CSV file with a heading line, and what a reader should know of how they were read.

    The first column names the method, columns of numbers are results, or those of them that `wanted` chooses; columns
    without any number describe the method. In which less is better is said by names, or by `lower` and `higher`. A
    table may stand beside another, as papers print variants: a second column of names, `method_s` for `method`, with
    `top1_s` for `top1`, adds rows. With `transpose`, the first column names the data sets.
    """
    sheet = _turned(_read(path)) if transpose else _read(path)
    if not transpose:
        _check_turn(sheet)
    first, left, suffix = _side_by_side(sheet)
    numeric = [name for name in left if any(map(_is_result, sheet.cells(name).values()))]
    if not numeric:
        raise InputError(f"a table has a column of numbers for each data set, but {path} has none beside {first!r}")
    columns = choose(numeric, wanted) if wanted else numeric
    places: dict[str, str] = {}  # of the methods
    values: list[tuple[float, ...]] = []
    for ending in dict.fromkeys(("", suffix)):
        numbers = {name: _numbers(sheet, first + ending, name + ending) for name in columns}
        for place, method in sheet.cells(first + ending).items():
            if not method:
                raise InputError(f"each row begins with its method, but that of {place} is empty ({path})")
            if method in places:
                raise InputError(
                    f"each method has one row, but {method!r} stands in {places[method]} and {place}; "
                    f"give each a name of its own ({path})"
                )
            places[method] = place
            values.append(tuple(column[place] for column in numbers.values()))
    notes = [
        f"left out {name}, which has no numbers: {next(filter(None, sheet.cells(name).values()), 'nothing at all')}"
        for name in left
        if name not in numeric and not wanted
    ]
    return Scores(tuple(places), tuple(columns), tuple(values), lower_columns(columns, lower, higher)), notes


def _read(path: Path) -> Sheet:
    if not path.is_file():
        raise InputError(f"there is no file {path} (--table)")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = ((f"line {reader.line_num}", [cell.strip() for cell in row]) for row in reader)
            rows = {place: row for place, row in lines if any(row)}
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not readable CSV: {error}") from None
    if len(rows) < 2:
        raise InputError(f"a table has a heading line and a line for each method, but {path} has {len(rows)} lines")
    columns = rows.pop(next(iter(rows)))
    _check_names(columns, f"line 1 of {path}")
    for place, row in rows.items():
        if len(row) != len(columns):
            raise InputError(
                f"each row has {len(columns)} cells, as the heading, but {place} has {len(row)}; "
                f"cells are separated by commas ({path})"
            )
    return Sheet(path, columns, rows)


def _check_names(columns: list[str], place: str) -> None:
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"each column has a name of its own, but {name!r} stands {count} times ({place})")


def _turned(sheet: Sheet) -> Sheet:
    """The sheet with its rows as columns."""
    columns = [sheet.columns[0], *(row[0] for row in sheet.rows.values())]
    _check_names(columns, f"the first column of {sheet.path}")
    names = zip(sheet.columns[1:], *(row[1:] for row in sheet.rows.values()), strict=True)
    return Sheet(sheet.path, columns, {f"column {at}": list(cells) for at, cells in enumerate(names, 2)})


def _check_turn(sheet: Sheet) -> None:
    """Raises InputError where the rows seem to be data sets."""
    first = sheet.columns[0]
    known = [cell for cell in sheet.cells(first).values() if cell.lower().replace("-", "") in DATASETS]
    if set(words(first)) & DATASET_WORDS or len(known) > 1:
        shown = ", ".join(known) if known else repr(first)
        raise InputError(
            f"a table has a method a row, but the rows of {sheet.path} seem to be data sets ({shown}); "
            "add --transpose, or give the first column another name"
        )


def _side_by_side(sheet: Sheet) -> tuple[str, list[str], str]:
    """The column of methods and the others, of the first of two tables side by side, and what the second's end in."""
    first, *others = sheet.columns
    for at, name in enumerate(others):
        left, suffix = others[:at], name.removeprefix(first)
        is_named = name.startswith(first) and not any(map(_is_result, sheet.cells(name).values()))
        if is_named and others[at:] == [other + suffix for other in (first, *left)]:
            return first, left, suffix
    return first, others, ""


def _is_result(cell: str) -> bool:
    return read_number(cell) is not None or is_ambiguous(cell)


def _numbers(sheet: Sheet, methods: str, column: str) -> dict[str, float]:
    """The numbers of a column by row."""
    names, numbers, percent = sheet.cells(methods), dict[str, float](), dict[str, bool]()
    for row, cell in sheet.cells(column).items():
        place = f"{row}, {names[row]}, column {column}, of {sheet.path}"
        number = read_number(cell)
        if is_ambiguous(cell):
            raise InputError(
                f"decimals have a point, but {cell!r} may be {cell.replace(',', '.', 1)} or {cell.replace(',', '', 1)} "
                f"({place}); write it without the comma"
            )
        if number is None:
            got = f"got {cell!r}" if cell else "there is none"
            raise InputError(f"each method has a number on each data set, but {got} ({place}); see --columns")
        numbers[row], percent[row] = number
    if len(set(percent.values())) > 1:
        raise InputError(
            f"a column is in one unit, but {column} has percent in {next(filter(percent.get, percent))}, and not "
            f"everywhere ({sheet.path}); write the sign in all of its cells, or in none"
        )
    return numbers
