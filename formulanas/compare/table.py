"""Tables of results: methods by data sets, read from CSV, every cell a number or an error with its place."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from formulanas.errors import InputError, unknown_name
from formulanas.statistics.scores import Scores

ERROR = re.compile(r"error", re.IGNORECASE)  # in a column's name: the less, the better


def choose(scores: Scores, wanted: Sequence[str]) -> Scores:
    """The scores of the columns that `wanted` names: by words of their names, cifar10 or top1, else by parts."""
    kept: set[str] = set()
    for each in wanted:
        word = re.compile(rf"(?<![^\W_]){re.escape(each)}(?![^\W_])", re.IGNORECASE)
        found = {name for name in scores.columns if word.search(name)}
        found = found or {name for name in scores.columns if each.lower() in name.lower()}
        if not each or not found:
            raise InputError(f"{unknown_name('column of numbers', each, scores.columns)} (--columns)")
        kept |= found
    places = [place for place, name in enumerate(scores.columns) if name in kept]
    return Scores(
        scores.methods,
        tuple(scores.columns[place] for place in places),
        tuple(tuple(row[place] for place in places) for row in scores.values),
        scores.lower & kept,
    )


def read_table(path: Path, wanted: Sequence[str] = (), lower_is_better: bool = False) -> Scores:
    """The table in a CSV file with a heading line: the first column names the method, columns of numbers are results.

    Columns without any number describe the method and are left out, as are columns that `wanted` does not choose.
    Less is better in columns that are named errors, or in all by `lower_is_better`. A table may stand beside another,
    as papers print variants: a second column of names, `method_s` for `method`, with `top1_s` for `top1`, adds rows.
    """
    heading, rows = _read(path)
    left, right, suffix = _side_by_side(heading, rows)
    numeric = [name for name in left[1:] if any(_is_number(row[heading.index(name)]) for _, row in rows)]
    if not numeric:
        raise InputError(
            f"a table has a column of numbers for each data set, but {path} has none beside {heading[0]!r}"
        )
    names = tuple(numeric)
    places = [[heading.index(name) for name in (left[0], *numeric)]]
    if right:
        places.append([heading.index(name + suffix) for name in (left[0], *numeric)])
    blank = Scores((), names, ())
    chosen = (choose(blank, wanted) if wanted else blank).columns
    methods: dict[str, int] = {}
    values: list[tuple[float, ...]] = []
    for block in places:
        for line, row in rows:
            name = row[block[0]]
            if not name:
                raise InputError(f"each row begins with its method, but that of line {line} is empty ({path})")
            if name in methods:
                raise InputError(
                    f"each method has one row, but {name!r} stands in lines {methods[name]} and {line}; "
                    f"give each a name of its own ({path})"
                )
            methods[name] = line
            cells = zip(names, block[1:], strict=True)
            values.append(tuple(_number(row[at], name, column, line, path) for column, at in cells if column in chosen))
    lower = frozenset(name for name in chosen if lower_is_better or ERROR.search(name))
    return Scores(tuple(methods), chosen, tuple(values), lower)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The heading, and the rows with their lines."""
    if not path.is_file():
        raise InputError(f"there is no file {path} (--table)")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not readable CSV: {error}") from None
    if len(rows) < 2:
        raise InputError(f"a table has a heading line and a line for each method, but {path} has {len(rows)} lines")
    (_, heading), *body = rows
    for name, count in Counter(heading).items():
        if count > 1:
            raise InputError(f"each column has a name of its own, but {name!r} stands {count} times (line 1 of {path})")
    for line, row in body:
        if len(row) != len(heading):
            raise InputError(
                f"each row has {len(heading)} cells, as the heading, but line {line} has {len(row)}; "
                f"cells are separated by commas ({path})"
            )
    return heading, body


def _side_by_side(heading: list[str], rows: list[tuple[int, list[str]]]) -> tuple[list[str], bool, str]:
    """The columns of the first of two tables side by side, whether there is a second, and what its names end in."""
    first = heading[0]
    for place, name in enumerate(heading[1:], 1):
        if not name.startswith(first) or any(_is_number(row[place]) for _, row in rows):
            continue
        left, suffix = heading[:place], name.removeprefix(first)
        if heading[place:] == [each + suffix for each in left]:
            return left, True, suffix
    return heading, False, ""


def _is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell))
    except ValueError:
        return False


def _number(cell: str, method: str, column: str, line: int, path: Path) -> float:
    place = f"line {line}, {method}, column {column}, of {path}"
    if not cell:
        raise InputError(f"each method has a number on each data set, but there is none ({place}); see --columns")
    if not _is_number(cell):
        raise InputError(f"each method has a number on each data set, but got {cell!r} ({place})")
    return float(cell)
