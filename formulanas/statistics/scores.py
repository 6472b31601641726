"""Scores: what methods reached on data sets, one number each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """One value a method and data set, NaN where there is none; `lower` are the columns where less is better."""

    methods: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]  # a row a method
    lower: frozenset[str] = frozenset()

    def missing(self) -> list[tuple[str, str]]:
        """The methods and columns without a value."""
        return [
            (method, column)
            for method, row in zip(self.methods, self.values, strict=True)
            for column, value in zip(self.columns, row, strict=True)
            if value != value
        ]
