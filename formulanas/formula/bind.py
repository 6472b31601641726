"""From a recursion with free symbols to a bound recursion: values in, sums expanded, one canonical text and key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType

from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import add, multiply, power
from formulanas.formula.canonical import canonical, lag
from formulanas.formula.expressions import Expression
from formulanas.formula.parse import parse, parse_expression
from formulanas.formula.recursion import POLICIES, SHAPES, STARTS, Recursion
from formulanas.formula.render import render, render_expression

Value = int | float | Fraction | str

MAX_TERMS = 1_000
DEFAULTS = {"start": "zero", "shape": "project"}
DEFAULT_KINDS = {"T": "gate"}  # every other transform is the backbone's own
SEQUENCE_NAMES = "stuvwyzabcdefghijklmopqr"


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
        return self.declarations.get(f"{name}[{sequence}]", self.declarations.get(name, DEFAULTS[name]))

    def kind(self, transform: str) -> str | None:
        """The kind that a transform was declared to be; None for the backbone's own."""
        return self.declarations.get(transform, DEFAULT_KINDS.get(transform))


def bind(recursion: Recursion | str, values: Mapping[str, Value] | None = None) -> BoundRecursion:
    """`recursion` with its symbols replaced by `values`, such as {"a[1]": -1, "k": 2, "h": "relu", "p": "n"}.

    Raises InputError for symbols without a value, values without a symbol, and formulas that have no meaning.
    """
    recursion = parse(recursion) if isinstance(recursion, str) else recursion
    binding = _Binding(recursion, values or {})
    if missing := binding.missing:
        hint = next(
            (unknown_name("function", name, ex.OPERATIONS) for name in missing if name in binding.functions), ""
        )
        raise InputError(f"the free symbols {', '.join(missing)} need values" + (f"; {hint}" if hint else ""))
    for name in binding.values:
        if name not in binding.used and name.partition("[")[0] not in recursion.symbols:
            raise InputError(unknown_name("symbol", name, recursion.symbols) + " (in the values to bind)")
    equations = _inline(binding.equations, recursion.declarations)
    equations = _label_branches(equations, recursion.declarations)
    return _named(equations, binding.declarations)


def unbound(recursion: Recursion, values: Mapping[str, Value]) -> tuple[str, ...]:
    """The symbols that `recursion` still needs given `values`, those that decide on others first: `p` before `a[2]`."""
    return tuple(_Binding(recursion, values).missing)


class _Binding:
    """Replaces symbols by their values, expanding sums as soon as their bounds are known."""

    def __init__(self, recursion: Recursion, values: Mapping[str, Value]) -> None:
        self.values = values
        self.missing: dict[str, None] = {}
        self.used: set[str] = set()
        self.functions: set[str] = set()
        self.equations = {name: self.resolve(value) for name, value in recursion.equations.items()}
        self.declarations = dict(recursion.declarations)
        for name, value in recursion.policies():
            known = POLICIES[name.partition("[")[0]]
            if value not in STARTS + SHAPES:
                bound = self.value(value)
                value = known[0] if bound is None else str(bound)
            if value not in known:
                raise InputError(f"{name} = {value}: {unknown_name('policy', value, known)}")
            self.declarations[name] = value
        if not self.missing:
            self.equations = {name: canonical(value) for name, value in self.equations.items()}

    def value(self, name: str) -> Value | None:
        self.used.add(name)
        if name not in self.values:
            self.missing[name] = None
        return self.values.get(name)

    def resolve(self, expression: Expression) -> Expression:
        match expression:
            case ex.Symbol(name, indices):
                return self.symbol(expression, name, indices)
            case ex.Operation(name, argument) if name not in ex.OPERATIONS:
                self.functions.add(name)
                bound = self.value(name)
                if bound is not None and bound not in ex.OPERATIONS:
                    raise InputError(f"{name} = {bound}: {unknown_name('function', bound, ex.OPERATIONS)}")
                return ex.Operation(name if bound is None else str(bound), self.resolve(argument))
            case ex.Sum(body, variable, low, high, mean):
                return self.sum(body, variable, canonical(self.resolve(low)), canonical(self.resolve(high)), mean)
        return ex.map_children(expression, self.resolve)

    def symbol(self, symbol: ex.Symbol, name: str, indices: tuple[Expression, ...]) -> Expression:
        resolved = [canonical(self.resolve(index)) for index in indices]
        if not all(isinstance(index, ex.Number) for index in resolved):
            text = render_expression(symbol)
            raise InputError(
                f"{text} stands in a sum whose bounds are not fixed numbers, so it has no fixed set of values"
            )
        full = f"{name}[{', '.join(map(render_expression, resolved))}]" if indices else name
        bound = self.value(full)
        if bound is None:
            return symbol
        if not isinstance(bound, str):
            return ex.Number(Fraction(repr(bound)) if isinstance(bound, float) else Fraction(bound))
        written = parse_expression(bound)
        if not ex.is_scalar(written) or any(isinstance(part, ex.Symbol) for part in ex.walk(written)):
            raise InputError(f"{full} = {bound}: a number is expected, such as 1/2, n or learn(1)")
        return written

    def sum(self, body: Expression, variable: str, low: Expression, high: Expression, mean: bool) -> Expression:
        if any(isinstance(part, ex.Symbol) for bound in (low, high) for part in ex.walk(bound)):
            return ex.ZERO  # its bounds come first; they are recorded as missing
        if not (isinstance(low, ex.Number) and isinstance(high, ex.Number)):
            return ex.Sum(self.resolve(body), variable, low, high, mean)
        first, last = low.value, high.value
        if first.denominator != 1 or last.denominator != 1:
            raise InputError(f"a sum runs over whole numbers, but has the bounds {first} and {last}")
        count = int(last - first) + 1
        if count > MAX_TERMS:
            raise InputError(f"a sum has at most {MAX_TERMS} terms, but this one has {count}")
        if count <= 0:
            return ex.ZERO
        terms = [self.resolve(ex.substitute(body, variable, ex.number(first + step))) for step in range(count)]
        return multiply((power(ex.number(count), ex.MINUS_ONE), add(terms))) if mean else add(terms)


def _inline(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> dict[str, Expression]:
    """`equations` without the sequences that only name a part of another equation, or that `x` does not need.

    A sequence that is one transform call or one state means the same at any lag; any other is replaced only
    where it is read in its own block, since crossing a change of shape as a whole differs from crossing in parts.
    """
    result = dict(equations)
    for name in [name for name in result if name != "x"]:
        equation = result[name]
        if f"shape[{name}]" in declarations or f"start[{name}]" in declarations:
            continue
        reads = [
            (reader, lag(part.index))
            for reader, value in result.items()
            for part in ex.walk(value)
            if isinstance(part, ex.State) and part.sequence == name
        ]
        single = isinstance(equation, ex.Transform) or (
            isinstance(equation, ex.State) and lag(equation.index) is not None
        )
        if any(reader == name for reader, _ in reads) or not (single or all(back == 0 for _, back in reads)):
            continue
        del result[name]
        result = {reader: canonical(_replace(value, name, equation)) for reader, value in result.items()}
    needed, frontier = {"x"}, ["x"]
    while frontier:
        for part in ex.walk(result[frontier.pop()]):
            if isinstance(part, ex.State) and part.sequence not in needed:
                needed.add(part.sequence)
                frontier.append(part.sequence)
    return {name: value for name, value in result.items() if name in needed}


def _replace(expression: Expression, name: str, equation: Expression) -> Expression:
    """`expression` with every read of the sequence `name` replaced by its `equation`, moved to the block read."""

    def replace(part: Expression) -> Expression:
        part = ex.map_children(part, replace)
        if isinstance(part, ex.State) and part.sequence == name:
            return ex.substitute(equation, "n", part.index)
        return part

    return replace(expression)


def _label_branches(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> dict[str, Expression]:
    """Numbers the residual functions in order of appearance: their labels carry no meaning, only which are the same."""
    labels: dict[tuple[str, Expression], Expression] = {}
    counts: dict[str, int] = {}

    def name_of(name: str) -> str:
        return name if name in declarations or name in DEFAULT_KINDS else "F"

    for name in _order_of_appearance(equations):
        for part in ex.walk(equations[name]):
            if isinstance(part, ex.Transform) and (part.name, part.branch) not in labels:
                counts[name_of(part.name)] = counts.get(name_of(part.name), 0) + 1
                labels[part.name, part.branch] = ex.number(counts[name_of(part.name)])

    def relabel(part: Expression) -> Expression:
        part = ex.map_children(part, relabel)
        if isinstance(part, ex.Transform):
            label = labels[part.name, part.branch]
            return ex.Transform(name_of(part.name), part.index, label, part.argument)
        return part

    return {name: canonical(relabel(value)) for name, value in equations.items()}


def _order_of_appearance(equations: Mapping[str, Expression]) -> list[str]:
    """`x` and the sequences that it reads, directly or through others, in the order in which they are met."""
    found = ["x"]
    for name in found:
        for part in ex.walk(equations[name]):
            if isinstance(part, ex.State) and part.sequence not in found:
                if part.sequence not in equations:
                    raise InputError(unknown_name("sequence", part.sequence, equations))
                found.append(part.sequence)
    return found


def _named(equations: Mapping[str, Expression], declarations: Mapping[str, str]) -> BoundRecursion:
    """The bound recursion with its sequences renamed, without the declarations that say nothing, checked."""
    names = dict(zip(_order_of_appearance(equations), "x" + SEQUENCE_NAMES, strict=False))
    if len(names) < len(equations):
        raise InputError(f"a formula has at most {len(SEQUENCE_NAMES)} auxiliary sequences")

    def rename(part: Expression) -> Expression:
        part = ex.map_children(part, rename)
        return ex.State(names[part.sequence], part.index) if isinstance(part, ex.State) else part

    renamed = {names[old]: canonical(rename(value)) for old, value in equations.items()}
    kept: dict[str, str] = {}
    for name, value in declarations.items():
        policy, _, sequence = name.removesuffix("]").partition("[")
        if policy not in POLICIES:
            calls = (part for equation in renamed.values() for part in ex.walk(equation))
            used = any(isinstance(part, ex.Transform) and part.name == name for part in calls)
            if used and value != DEFAULT_KINDS.get(name):
                kept[name] = value
        elif sequence in names:
            kept[f"{policy}[{names[sequence]}]"] = value
        elif not sequence and value != DEFAULTS[policy]:
            kept[name] = value
    order = [name for name in "x" + SEQUENCE_NAMES if name in renamed]
    order = [*order[1:], "x"]
    bound = BoundRecursion(MappingProxyType({name: renamed[name] for name in order}), MappingProxyType(kept))
    _check(bound)
    return BoundRecursion(bound.equations, MappingProxyType(_meaningful(bound)))


def _meaningful(bound: BoundRecursion) -> dict[str, str]:
    """The declarations that change the computation: without history there is nothing to start or to reset."""
    lagged = [part for part in bound.parts() if isinstance(part, ex.State | ex.Transform) and part.index != ex.ZERO]
    earlier = any((lag(part.index) or 0) >= (2 if getattr(part, "sequence", "") == "x" else 1) for part in lagged)
    sums = any(isinstance(part, ex.Sum) for part in bound.parts())
    dropped = set()
    if not earlier:
        dropped |= {"start"}
        if not sums and not bound.reads_anchor and bound.declarations.get("shape") == "reset":
            dropped |= {"shape"}
    return {name: value for name, value in sorted(bound.declarations.items()) if name not in dropped}


def _check(bound: BoundRecursion) -> None:
    """Refuses what no network can compute: reading ahead, circular reading in one block, a state that is nothing."""
    if ex.is_scalar(bound.equations["x"]):
        raise InputError(
            f"x[n] = {render_expression(bound.equations['x'])} reads no state; it needs one, such as x[n-1]"
        )
    for name, equation in bound.equations.items():
        for part in ex.walk(equation):
            if isinstance(part, ex.State | ex.Transform):
                distance = lag(part.index)
                text = render_expression(part)
                if distance is not None and distance < 0:
                    raise InputError(f"{text} reads a later block; block n reads n-1, n-2 and so on")
                if isinstance(part, ex.State) and distance == 0 and part.sequence == name:
                    raise InputError(f"{name}[n] = ... reads {text}, which it is about to define")
                if isinstance(part, ex.State) and isinstance(part.index, ex.Number) and part != ex.State("x", ex.ZERO):
                    raise InputError(f"{text}: the only fixed state is the anchor x[0]")
    evaluation_order(bound.equations)


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
