"""Published recursion formulas by name, from atlas.toml: the text, where it comes from, or why it cannot be said."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import Value, bind
from formulanas.formula.bound import BoundRecursion

ATLAS_FILE = Path(__file__).with_name("atlas.toml")
Evidence = Literal["authors' code", "paper", "memory"]


@dataclass(frozen=True)
class Entry:
    """A published architecture: a `formula`, the name of the entry that has it, or the reason why there is none.

    `values` binds the symbols that its paper leaves open, `checked` is what the entry was held against. A formula is
    compared by its bound form: two entries with formulas of their own are never the same computation.
    """

    title: str
    year: int
    source: str
    checked: Evidence
    formula: str = ""
    same_as: str = ""
    reason: str = ""
    note: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert [bool(self.formula), bool(self.same_as), bool(self.reason)].count(True) == 1, self
        assert self.checked in get_args(Evidence), self


@cache
def atlas() -> dict[str, Entry]:
    """All entries by name, in the order of the file."""
    return {name: Entry(**entry) for name, entry in tomllib.loads(ATLAS_FILE.read_text()).items()}


def published(name: str) -> Entry:
    """The entry `name`."""
    if name not in atlas():
        raise InputError(unknown_name("published formula", name, atlas()))
    return atlas()[name]


def bind_formula(target: str, values: Mapping[str, Value] | None = None) -> BoundRecursion:
    """The bound recursion of a formula's text, or of a published formula's name."""
    if "=" in target:
        return bind(target, values)
    entry = published(target)
    if entry.reason:
        raise InputError(f"{target} is no recursion formula: {entry.reason}")
    if entry.same_as:
        return bind_formula(entry.same_as, values)
    return bind(entry.formula, {**entry.values, **(values or {})})


@cache
def published_names() -> dict[str, str]:
    """The names of the published formulas by the key of their bound recursion."""
    return {bind_formula(name).key: name for name, entry in atlas().items() if entry.formula}
