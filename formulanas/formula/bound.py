"""A bound recursion: every symbol has a value, and the same computation has one text and one key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.canonical import lag
from formulanas.formula.expressions import Expression
from formulanas.formula.recursion import Recursion
from formulanas.formula.render import render

DEFAULT_POLICIES = {"start": "zero", "shape": "project"}
DEFAULT_KINDS = {"T": "gate"}  # every other transform is the backbone's own


@dataclass(frozen=True)
class BoundRecursion:
    """A recursion with every symbol bound, in canonical form: the auxiliary sequences, then `x`."""

    equations: Mapping[str, Expression]
    declarations: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The canonical text; it parses and binds to this recursion."""
        return render(Recursion(self.equations, self.declarations))

    @cached_property
    def key(self) -> str:
        """A short hash of the canonical text: equal exactly when the computation is the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @cached_property
    def history_depth(self) -> int | str:
        """How many states back the text reads; "n" where it reads back to the start of the history."""
        deepest = 0
        for part in self.parts():
            if isinstance(part, ex.State) and part.index != ex.ZERO:
                distance = lag(part.index)
                if distance is None:
                    return "n"
                deepest = max(deepest, distance)
        return deepest

    @cached_property
    def reads_anchor(self) -> bool:
        """Whether the output of the stem, `x[0]`, is read by every block."""
        return any(isinstance(part, ex.State) and part.index == ex.ZERO for part in self.parts())

    def parts(self) -> list[Expression]:
        """All parts of all equations."""
        return [part for equation in self.equations.values() for part in ex.walk(equation)]

    def policy(self, name: str, sequence: str) -> str:
        """The `start` or `shape` policy of a sequence."""
        return self.declarations.get(f"{name}[{sequence}]", self.declarations.get(name, DEFAULT_POLICIES[name]))

    def kind(self, transform: str) -> str | None:
        """The kind that a transform was declared to be; None for the backbone's own."""
        return self.declarations.get(transform, DEFAULT_KINDS.get(transform))


def evaluation_order(equations: Mapping[str, Expression]) -> list[str]:
    """The sequences in an order in which each finds what it reads in its own block. Raises InputError when circular."""
    order: list[str] = []
    visiting: list[str] = []

    def visit(name: str) -> None:
        if name in visiting:
            circle = " and ".join(sorted(set(visiting[visiting.index(name) :])))
            raise InputError(f"{circle} read each other in the same block, so that none can be computed first")
        if name not in order:
            visiting.append(name)
            for part in ex.walk(equations[name]):
                if isinstance(part, ex.State) and lag(part.index) == 0:
                    visit(part.sequence)
            visiting.pop()
            order.append(name)

    for name in equations:
        visit(name)
    return order
