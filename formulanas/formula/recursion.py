"""A recursion: the equations of a formula with their declarations, symbols still free."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from formulanas.formula.expressions import OPERATIONS, Expression, Operation, Symbol, walk

# What a declaration may say where the value is not a free symbol.
STARTS = ("zero", "copy")  # what a sequence is before its first value
SHAPES = ("project", "pad", "reset", "cut")  # how history crosses a change of shape
POLICIES = {"start": STARTS, "shape": SHAPES}


@dataclass(frozen=True)
class Recursion:
    """Equations `name[n] = expression` in the order of their text, one of them for the state `x`.

    `declarations` maps `start` and `shape` (for all sequences), `shape[v]` (for one) or the name of a
    transform to what the text declares for it: a policy, a kind of transform, or a free symbol. A kind is a symbol
    where it is one of `free_kinds`.
    """

    equations: Mapping[str, Expression]
    declarations: Mapping[str, str] = field(default_factory=dict)
    free_kinds: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "equations", MappingProxyType(dict(self.equations)))
        object.__setattr__(self, "declarations", MappingProxyType(dict(self.declarations)))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names of the free symbols, in order of appearance: numbers, functions and policies."""
        found = dict.fromkeys(
            part.name
            for equation in self.equations.values()
            for part in walk(equation)
            if isinstance(part, Symbol) or (isinstance(part, Operation) and part.name not in OPERATIONS)
        )
        found |= dict.fromkeys(value for _, value in self.policies() if value not in STARTS + SHAPES)
        found |= dict.fromkeys(value for _, value in self.kinds() if value in self.free_kinds)
        return tuple(found)

    def with_free_kinds(self, names: Iterable[str]) -> "Recursion":
        """The same recursion, in which the kinds of transforms among `names` are free symbols."""
        return replace(self, free_kinds=frozenset(value for _, value in self.kinds()) & frozenset(names))

    def kinds(self) -> Iterator[tuple[str, str]]:
        """The declarations of what transforms are, such as F = preactivation."""
        for name, value in self.declarations.items():
            if name.partition("[")[0] not in POLICIES:
                yield name, value

    def policies(self) -> Iterator[tuple[str, str]]:
        """The declarations of `start` and `shape`, for all sequences and for single ones."""
        for name, value in self.declarations.items():
            if name.partition("[")[0] in POLICIES:
                yield name, value
