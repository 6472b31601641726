"""Scores: what methods reached on data sets, one number each."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """One value a method and data set, NaN where there is none; `lower` are the columns where less is better."""

    methods: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]  # a row a method
    lower: frozenset[str] = frozenset()

    def over(self, columns: Sequence[str]) -> "Scores":
        """The scores on some of the columns."""
        at = [self.columns.index(column) for column in columns]
        values = tuple(tuple(row[i] for i in at) for row in self.values)
        return Scores(self.methods, tuple(columns), values, self.lower & set(columns))

    def missing(self) -> list[tuple[str, str]]:
        """The methods and columns without a value."""
        return [
            (method, column)
            for method, row in zip(self.methods, self.values, strict=True)
            for column, value in zip(self.columns, row, strict=True)
            if value != value
        ]
