"""The file of a search space: its formula, domains and points, and what else it sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from formulanas.errors import InputError, unknown_name
from formulanas.formula.parse import parse
from formulanas.records import from_mapping, read_value, read_yaml
from formulanas.search.space.settings import Budget, ConfirmSettings, Limits, ProxySettings, SearchSettings
from formulanas.search.space.space import BLOCKS, Range, Scalar, Space


@dataclass(frozen=True)
class SpaceDocument:
    """A search space file, validated: symbols, domains and points fit the formula."""

    formula: str
    symbols: dict[str, list[Scalar] | Range] = field(default_factory=dict)
    points: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    confirm: ConfirmSettings = field(default_factory=ConfirmSettings)
    description: str = ""
    schema: int = 1

    def __post_init__(self) -> None:
        _ = self.space

    @cached_property
    def space(self) -> Space:
        """The formula with its domains."""
        if self.schema != 1:
            raise InputError(f"schema must be 1, but is {self.schema}; it was written by a later version")
        recursion = parse(self.formula).with_free_kinds(self.symbols)
        for name, domain in self.symbols.items():
            if name not in (*recursion.symbols, BLOCKS):
                raise InputError(f"{unknown_name('symbol', name, recursion.symbols)} (symbols.{name})")
            if isinstance(domain, list) and not domain:
                raise InputError(f"a domain has at least one value, but that of {name} is empty (symbols.{name})")
        if missing := [name for name in recursion.symbols if name not in self.symbols]:
            raise InputError(f"the free symbols {', '.join(missing)} of the formula have no domain (symbols)")
        space = Space(recursion, self.symbols, self.points)
        for point, values in self.points.items():
            for name, value in values.items():
                symbol = name.partition("[")[0]
                if symbol not in self.symbols:
                    raise InputError(f"{unknown_name('symbol', symbol, self.symbols)} (points.{point}.{name})")
                if value not in self.symbols[symbol]:
                    raise InputError(f"{name} = {value} is not in the domain of {symbol} (points.{point}.{name})")
            try:
                space.bind(values)
            except InputError as error:
                raise InputError(f"{error} (points.{point})") from None
        return space


def read_space(path: Path, overrides: Mapping[str, str] | None = None) -> SpaceDocument:
    """The search space file at `path`, its settings replaced by `overrides` such as {"search.trials": "50"}."""
    document = read_yaml(path)
    for key, text in (overrides or {}).items():
        override(document, key, text)
    try:
        return from_mapping(SpaceDocument, document, "")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def override(document: dict[str, Any], key: str, text: str) -> None:
    """Sets the dotted `key` of a document to the value that `text` is in YAML."""
    *path, last = key.split(".")
    for part in path:
        if not isinstance(document.setdefault(part, {}), dict):
            raise InputError(f"--set {key}: {part} is not a group of settings")
        document = document[part]
    document[last] = read_value(text)
