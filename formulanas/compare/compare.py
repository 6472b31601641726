"""A comparison of methods: by their ranks over data sets, or by their seeds where there are too few for that."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from formulanas.compare.columns import choose
from formulanas.compare.results import read_results
from formulanas.compare.table import read_table
from formulanas.errors import InputError
from formulanas.statistics.differences import Difference, differences
from formulanas.statistics.friedman import RANKING_KEYS, Ranking, friedman
from formulanas.statistics.scores import Scores


@dataclass(frozen=True)
class Comparison:
    """The methods and their values, and either their `ranking` or their `differences` over seeds."""

    scores: Scores
    alpha: float
    ranking: Ranking | None = None
    differences: tuple[Difference, ...] = ()
    num_seeds: tuple[int, int] | None = None  # the fewest and the most that a value is the mean of
    note: str = ""  # what weakens it

    def statements(self) -> list[str]:
        """What may be said: a sentence on the ranks, or one for every two methods on a data set."""
        return [self.ranking.statement] if self.ranking else [f"{pair.statement()}." for pair in self.differences]

    def to_json(self) -> dict[str, Any]:
        """The comparison as `compare --json` prints it; what belongs to ranks is null where there is no ranking."""
        cells = (dict(zip(self.scores.columns, row, strict=True)) for row in self.scores.values)
        return {
            "values": {
                method: {column: value for column, value in row.items() if value == value}
                for method, row in zip(self.scores.methods, cells, strict=True)
            },
            "lower_is_better": sorted(self.scores.lower),
            **(self.ranking.to_json() if self.ranking else dict.fromkeys(RANKING_KEYS)),
            "alpha": self.alpha,
            "differences": [{**asdict(pair), "significant": pair.is_significant} for pair in self.differences],
            "num_seeds": self.num_seeds,
            "note": self.note,
            "verdict": " ".join(self.statements()),
        }


def compare_table(
    path: Path,
    columns: Sequence[str] = (),
    lower: Sequence[str] = (),
    higher: Sequence[str] = (),
    transpose: bool = False,
    alpha: float = 0.05,
) -> Comparison:
    """Ranks the methods of a CSV file over its columns, or over those that `columns` chooses.

    In which columns less is better is said by their names, or by `lower` and `higher`; with `transpose`, the rows are
    the data sets. Raises InputError for what may be read in more ways than one.
    """
    _check(alpha)
    scores, notes = read_table(path, columns, lower, higher, transpose)
    return Comparison(scores, alpha, friedman(scores, alpha), note="; ".join([*_dependence(scores), *notes]))


def compare_targets(
    targets: Iterable[str], columns: Sequence[str] = (), mixed: bool = False, alpha: float = 0.05
) -> Comparison:
    """Compares retrained models, by top-1 accuracy unless `columns` says otherwise.

    Three methods or more on two data sets or more are ranked by their means over seeds, fewer are compared two by two.
    Raises InputError where recipes differ on one data set, unless `mixed`.
    """
    _check(alpha)
    results = read_results(targets, mixed)
    measured = results.scores()
    scores = measured.over(choose(measured.columns, columns or ["top1"]))
    values = results.chosen(scores.columns).values
    counts = [len(seeds) for row in values.values() for seeds in row.values()]
    num_seeds = min(counts), max(counts)
    if len(scores.methods) > 2 and len(scores.columns) > 1:
        notes = filter(None, (results.note, *_dependence(scores)))
        return Comparison(scores, alpha, friedman(scores, alpha), (), num_seeds, "; ".join(notes))
    pairs = tuple(differences(values, alpha))
    if not pairs:
        raise InputError(
            f"methods are compared on one data set, but {' and '.join(scores.methods)} have none in common "
            f"({', '.join(scores.columns)})"
        )
    return Comparison(scores, alpha, None, pairs, num_seeds, results.note)


def _dependence(scores: Scores) -> list[str]:
    """What is said where several columns are of one data set, by the first words of their names."""
    first: dict[str, str] = {}
    for name in scores.columns:
        other = first.setdefault(re.split(r"[\W_]", name)[0].lower(), name)
        if other != name:
            return [
                f"{other} and {name} are of one data set, and the tests take columns to be independent: "
                "choose one measure by --columns"
            ]
    return []


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"0 < alpha < 1 must hold, but got {alpha:g} (--alpha)")
