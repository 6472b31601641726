"""The nodes of a formula: immutable expressions, and the walks over them that everything else is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True, slots=True)
class Number:
    """An exact constant."""

    value: Fraction

    def __hash__(self) -> int:  # that of a Fraction is a power modulo a prime, and every expression is full of numbers
        return hash((self.value.numerator, self.value.denominator))


@dataclass(frozen=True, slots=True)
class Index:
    """`n` (the block), `N` (the number of blocks), `width` (of the stage), or the variable of an enclosing sum."""

    name: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A free number, `b` or `a[i]`; a search space gives it a domain."""

    name: str
    indices: "tuple[Expression, ...]" = ()


@dataclass(frozen=True, slots=True)
class State:
    """The value of a sequence at a block: `x[n-1]`, `v[n]`, or the anchor `x[0]`."""

    sequence: str
    index: "Expression"


@dataclass(frozen=True, slots=True)
class Transform:
    """A residual function (or another transform) with the weights of block `index`, applied to `argument`.

    Of several arguments, `C[n](u, v)`, it reads the joined channels: the argument is their Concat.
    """

    name: str
    index: "Expression"
    branch: "Expression"
    argument: "Expression"


@dataclass(frozen=True, slots=True)
class Operation:
    """A function without a block index: `relu(u)`, `bn(u)`, or a free function symbol such as `h(u)`."""

    name: str
    argument: "Expression"


@dataclass(frozen=True, slots=True)
class Add:
    """A sum of two terms or more."""

    terms: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Multiply:
    """A product of two factors or more, elementwise where they are states."""

    factors: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Power:
    """A number raised to a number; `u / v` is `u * v**-1`, `sqrt(u)` is `u**(1/2)`."""

    base: "Expression"
    exponent: "Expression"


@dataclass(frozen=True, slots=True)
class Sum:
    """`sum(body, (variable, low, high))` with inclusive bounds, or the `mean` of the terms, or their `concat`."""

    body: "Expression"
    variable: str
    low: "Expression"
    high: "Expression"
    kind: Literal["sum", "mean", "concat"] = "sum"


@dataclass(frozen=True, slots=True)
class Concat:
    """Channels joined."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Slice:
    """Channels `start` to `stop` (exclusive) of `argument`; None is the first or the last."""

    argument: "Expression"
    start: "Expression | None"
    stop: "Expression | None"


@dataclass(frozen=True, slots=True)
class Drop:
    """`argument` kept with probability `1 - rate` while training: each image whole (stochastic depth), or each unit."""

    argument: "Expression"
    rate: "Expression"
    per: Literal["image", "unit"] = "image"


@dataclass(frozen=True, slots=True)
class Learn:
    """A learned coefficient with its start value, one per block, for every channel or for all.

    A constraint `softmax` or `sum` (to one) holds over the terms of the sum in which it stands, `sigmoid` for itself.
    Of one `name` there is one in a block, wherever it is read; without a name each place has its own.
    """

    start: "Expression"
    per: Literal["block", "channel"] = "block"
    constraint: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Random:
    """A coefficient drawn for every image while training: `uniform(low, high)` or `bernoulli(p)`; later its mean."""

    distribution: Literal["uniform", "bernoulli"]
    parameters: "tuple[Expression, ...]"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Floor:
    """The whole part of a number: `floor(n / 4)`."""

    argument: "Expression"


Expression = (
    Number
    | Index
    | Symbol
    | State
    | Transform
    | Operation
    | Add
    | Multiply
    | Power
    | Sum
    | Concat
    | Slice
    | Drop
    | Learn
    | Random
    | Floor
)

ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))
MINUS_ONE = Number(Fraction(-1))
BLOCK = Index("n")
NUM_BLOCKS = Index("N")
WIDTH = Index("width")

# The functions that a formula may apply to a state without declaring them. `act` is the network's activation.
OPERATIONS = ("relu", "bn", "ln", "sigmoid", "tanh", "identity", "act")


def number(value: int | Fraction) -> Number:
    """The constant `value`."""
    return Number(Fraction(value))


# The fields of each node that hold nodes: one, or a tuple of them
_PARTS: dict[type, tuple[str, ...]] = {
    Number: (),
    Index: (),
    Symbol: ("indices",),
    State: ("index",),
    Transform: ("index", "branch", "argument"),
    Operation: ("argument",),
    Add: ("terms",),
    Multiply: ("factors",),
    Power: ("base", "exponent"),
    Sum: ("body", "low", "high"),
    Concat: ("parts",),
    Slice: ("argument", "start", "stop"),
    Drop: ("argument", "rate"),
    Learn: ("start",),
    Random: ("parameters",),
    Floor: ("argument",),
}


def map_children(expression: Expression, function: "Callable[[Expression], Expression]") -> Expression:
    """`expression` with `function` applied to each of its direct parts; itself where none of them changes."""
    changes: dict[str, object] = {}
    for name in _PARTS[type(expression)]:
        old = getattr(expression, name)
        if isinstance(old, tuple):
            new = tuple([function(part) for part in old])
            if any(a is not b for a, b in zip(new, old, strict=True)):
                changes[name] = new
        elif old is not None and (changed := function(old)) is not old:
            changes[name] = changed
    return replace(expression, **changes) if changes else expression  # type: ignore[arg-type]


def children(expression: Expression) -> list[Expression]:
    """The direct parts of `expression`, from left to right."""
    found: list[Expression] = []
    for name in _PARTS[type(expression)]:
        part = getattr(expression, name)
        if isinstance(part, tuple):
            found += part
        elif part is not None:
            found.append(part)
    return found


def walk(expression: Expression) -> Iterator[Expression]:
    """`expression` and all its parts, each before its own, from left to right."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(children(part))


@lru_cache(maxsize=100_000)
def is_scalar(expression: Expression) -> bool:
    """Whether `expression` is a number rather than a state."""
    return not any(isinstance(part, State | Transform | Operation | Concat | Slice | Drop) for part in walk(expression))


def shift(expression: Expression, blocks: int) -> Expression:
    """`expression` as it reads at block `n + blocks`: every index that counts from `n` moves, the anchor stays."""
    if blocks == 0:
        return expression
    if expression == BLOCK:
        return Add((BLOCK, number(blocks)))
    return map_children(expression, lambda part: shift(part, blocks))


def substitute(expression: Expression, name: str, value: Expression) -> Expression:
    """`expression` with the index `name` replaced by `value`; an inner sum over the same name keeps its own."""
    if expression == Index(name):
        return value
    if isinstance(expression, Sum) and expression.variable == name:
        low, high = substitute(expression.low, name, value), substitute(expression.high, name, value)
        return Sum(expression.body, name, low, high, expression.kind)
    return map_children(expression, lambda part: substitute(part, name, value))
