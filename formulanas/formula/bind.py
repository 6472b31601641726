"""From a recursion with free symbols to a bound recursion: values in, sums expanded, then its normal form."""

import dataclasses
import math
from collections.abc import Mapping
from fractions import Fraction

from formulanas.errors import InputError, unknown_name
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, is_readable, multiply, power
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.canonical import canonical
from formulanas.formula.expressions import Expression
from formulanas.formula.normalise import normalise
from formulanas.formula.parse import MAX_CHARACTERS, parse, parse_expression
from formulanas.formula.recursion import POLICIES, SHAPES, STARTS, Recursion
from formulanas.formula.render import render_expression

Value = int | float | Fraction | str

MAX_TERMS = 1_000  # of a sum
MAX_EXPANDED = 10_000  # of all sums, one within the other


def bind(recursion: Recursion | str, values: Mapping[str, Value] | None = None) -> BoundRecursion:
    """`recursion` with its symbols replaced by `values`, such as {"a[1]": -1, "k": 2, "h": "relu", "p": "n"}.

    Raises InputError for symbols without a value, values without a symbol, and formulas that have no meaning.
    """
    recursion = parse(recursion) if isinstance(recursion, str) else recursion
    if values and not recursion.free_kinds:
        recursion = recursion.with_free_kinds(values)
    binding = _Binding(recursion, values or {})
    if missing := binding.missing:
        hint = next(
            (unknown_name("function", name, ex.OPERATIONS) for name in missing if name in binding.functions), ""
        )
        raise InputError(f"the free symbols {', '.join(missing)} need values" + (f"; {hint}" if hint else ""))
    for name in binding.values:
        if name not in binding.used and name.partition("[")[0] not in recursion.symbols:
            raise InputError(unknown_name("symbol", name, recursion.symbols) + " (in the values to bind)")
    bound = normalise(binding.equations, binding.declarations)
    for part in bound.parts():
        if isinstance(part, ex.Number) and not is_readable(part.value):
            raise InputError("the numbers of a formula have at most 40 digits, but one has more when it is worked out")
    if len(bound.text) > MAX_CHARACTERS:
        law = f"a formula has at most {MAX_CHARACTERS:,} characters when its sums are written out"
        raise InputError(f"{law}, but this one has {len(bound.text):,}")
    return bound


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
        self.expanded = 0  # terms of sums, so far
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
        for name, value in recursion.kinds():
            if value in recursion.free_kinds and (kind := self.value(value)) is not None:
                self.declarations[name] = str(kind)
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
            case ex.Sum(low=low, high=high):
                return self.sum(expression, canonical(self.resolve(low)), canonical(self.resolve(high)))
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
        if full not in self.values:
            return symbol
        finite = not isinstance(bound, float) or math.isfinite(bound)
        if isinstance(bound, bool) or not isinstance(bound, str | int | float | Fraction) or not finite:
            raise InputError(f"{full} = {bound}: a number is expected, such as 0.5, 1/2, n or learn(1)")
        if not isinstance(bound, str):
            return ex.Number(Fraction(repr(bound)) if isinstance(bound, float) else Fraction(bound))
        written = parse_expression(bound)
        if not ex.is_scalar(written) or any(isinstance(part, ex.Symbol) for part in ex.walk(written)):
            raise InputError(f"{full} = {bound}: a number is expected, such as 1/2, n or learn(1)")
        return _named_after(written, full)

    def sum(self, total: ex.Sum, low: Expression, high: Expression) -> Expression:
        if any(isinstance(part, ex.Symbol) for bound in (low, high) for part in ex.walk(bound)):
            return ex.ZERO  # its bounds come first; they are recorded as missing
        if not (isinstance(low, ex.Number) and isinstance(high, ex.Number)):
            return ex.Sum(self.resolve(total.body), total.variable, low, high, total.kind)
        first, last = low.value, high.value
        if first.denominator != 1 or last.denominator != 1:
            raise InputError(f"a sum runs over whole numbers, but has the bounds {first} and {last}")
        count = int(last - first) + 1
        if count > MAX_TERMS:
            raise InputError(f"a sum has at most {MAX_TERMS} terms, but this one has {count:.6g}")
        self.expanded += max(count, 0)
        if self.expanded > MAX_EXPANDED:
            raise InputError(f"the sums of a formula have at most {MAX_EXPANDED:,} terms in all, one within the other")
        if count <= 0:
            return ex.ZERO
        steps = [ex.number(first + step) for step in range(count)]
        terms = [self.resolve(ex.substitute(total.body, total.variable, step)) for step in steps]
        if total.kind == "concat":
            return ex.Concat(tuple(terms))
        return multiply((power(ex.number(count), ex.MINUS_ONE), add(terms))) if total.kind == "mean" else add(terms)


def _named_after(expression: Expression, symbol: str) -> Expression:
    """`expression` with its learned and random coefficients called after their symbol: it is one wherever it stands."""
    expression = ex.map_children(expression, lambda part: _named_after(part, symbol))
    if isinstance(expression, ex.Learn | ex.Random) and expression.name is None:
        return dataclasses.replace(expression, name=symbol)
    return expression
