"""The canonical form of expressions: like terms collected, terms, factors and sums over history in a fixed order."""

import math
from fractions import Fraction
from functools import lru_cache

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, multiply, power, split_coefficient
from formulanas.formula.expressions import Expression
from formulanas.formula.render import render_expression

VANISHING_AT_ZERO = ("relu", "bn", "ln", "tanh", "act")  # what these make of a missing value is missing
SUM_VARIABLES = "ijklm"


def lag(index: Expression) -> int | None:
    """How many blocks back `index` points: 1 for `n-1`; None where it does not count from `n` alone."""
    match index:
        case ex.Index("n"):
            return 0
        case ex.Add((ex.Index("n"), ex.Number(Fraction(denominator=1) as value))):
            return -int(value)
    return None


@lru_cache(maxsize=100_000)
def canonical(expression: Expression) -> Expression:
    """`expression` in canonical form, computed from its parts outwards. Raises InputError where it has no meaning."""
    expression = ex.map_children(expression, canonical)
    match expression:
        case ex.Add(terms):
            return _add(terms)
        case ex.Multiply(factors):
            return _multiply(factors)
        case ex.Power(base, exponent):
            if base == ex.ZERO:
                raise InputError(f"{render_expression(expression)} divides by zero, or raises zero to a power")
            return power(base, exponent)
        case ex.Operation("identity", argument):
            return argument
        case ex.Operation("relu", ex.Operation("relu", _) as inner):
            return inner
        case ex.Operation(name, ex.Number(value)):
            if value == 0 and name in VANISHING_AT_ZERO:
                return ex.ZERO
            if value == 0 and name == "sigmoid":
                return ex.Number(Fraction(1, 2))
            raise InputError(f"{render_expression(expression)} applies {name} to a number; it takes a state")
        case ex.Transform(argument=ex.Number(value)):
            if value == 0:
                return ex.ZERO  # a transform of nothing is not computed
            raise InputError(f"{render_expression(expression)} applies a transform to a number; it takes a state")
        case ex.Drop(argument, rate, _) if ex.ZERO in (argument, rate):
            return argument
        case ex.Concat(parts):
            return _concat(parts)
        case ex.Slice(argument, None, None):
            return argument
        case ex.Floor(ex.Number(value)):
            return ex.number(math.floor(value))
        case ex.Sum():
            return _sum(expression)
    return expression


def _add(terms: tuple[Expression, ...]) -> Expression:
    coefficients: dict[Expression, Fraction] = {}
    for term in terms:
        for part in term.terms if isinstance(term, ex.Add) else (term,):
            coefficient, rest = split_coefficient(part)
            coefficients[rest] = coefficients.get(rest, Fraction(0)) + coefficient
    kept = [multiply((ex.Number(value), rest)) for rest, value in coefficients.items() if value]
    return add(sorted(kept, key=_order)) if kept else ex.ZERO


def _multiply(factors: tuple[Expression, ...]) -> Expression:
    product = multiply(factors)
    coefficient, rest = split_coefficient(product)
    if coefficient == 0:
        return ex.ZERO
    match rest:
        case ex.Add(terms):
            return _add(tuple(multiply((ex.Number(coefficient), term)) for term in terms))
        case ex.Multiply(parts):
            ordered = sorted(parts, key=lambda part: (not ex.is_scalar(part), _order(part)))
            return multiply((ex.Number(coefficient), *ordered))
    return product


def _concat(parts: tuple[Expression, ...]) -> Expression:
    """Joined channels, flat, without parts that are nothing."""
    flat = [each for part in parts for each in (part.parts if isinstance(part, ex.Concat) else (part,))]
    kept = tuple(part for part in flat if part != ex.ZERO)
    if any(ex.is_scalar(part) for part in kept):
        raise InputError(f"{render_expression(ex.Concat(parts))} joins a number; concat takes states")
    return ex.Concat(kept) if len(kept) > 1 else kept[0] if kept else ex.ZERO


def _sum(expression: ex.Sum) -> Expression:
    """A sum whose bounds are not both constant, counted back from `n` and from 1: `sum(u, (i, 1, n))`."""
    if isinstance(expression.low, ex.Number) and isinstance(expression.high, ex.Number):
        return expression  # the binding expands it
    body, low, high = expression.body, expression.low, expression.high
    if body == ex.ZERO:
        return ex.ZERO
    depth = max(
        (SUM_VARIABLES.index(part.variable) + 1 for part in ex.walk(body) if isinstance(part, ex.Sum)), default=0
    )
    variable = ex.Index(SUM_VARIABLES[depth])
    body = ex.substitute(body, expression.variable, variable)
    if any(isinstance(part, ex.State) and part.index == variable for part in ex.walk(body)):
        from_block = add((ex.BLOCK, multiply((ex.MINUS_ONE, variable))))
        body = ex.substitute(body, variable.name, from_block)
        low, high = (add((ex.BLOCK, multiply((ex.MINUS_ONE, bound)))) for bound in (high, low))
    low = canonical(low)
    if low != ex.ONE:
        offset = canonical(add((low, ex.MINUS_ONE)))
        body = ex.substitute(body, variable.name, add((variable, offset)))
        high = add((high, multiply((ex.MINUS_ONE, offset))))
    body, high = canonical(body), canonical(high)
    if expression.kind == "concat":
        return ex.Sum(body, variable.name, ex.ONE, high, "concat")
    coefficient, body = split_coefficient(body)
    total: Expression = multiply((ex.Number(coefficient), ex.Sum(body, variable.name, ex.ONE, high)))
    return canonical(multiply((total, power(high, ex.MINUS_ONE)))) if expression.kind == "mean" else total


def _order(term: Expression) -> tuple[object, ...]:
    """The place of a term in its sum: what is added before what is subtracted, states before operations and transforms.

    An index reads `n-1`, a sum of states `1 - T[n](u)`: constants stand last among numbers and first among states.
    """
    coefficient, rest = split_coefficient(term)
    match rest:
        case ex.Index(name):
            rank, back = (-4 if name == "n" else -3), 0
        case ex.Number():
            return -1, False, -1, 0, "", coefficient, (), ""
        case ex.State("x", index):
            rank, back = 0, _back(index)
        case ex.State(_, index):
            rank, back = 1, _back(index)
        case ex.Operation():
            rank, back = 2, 0
        case ex.Transform(_, index):
            rank, back = 3, _back(index)
        case ex.Sum():
            rank, back = 5, 0
        case _:
            rank, back = (-2 if ex.is_scalar(rest) else 4), 0
    labels = tuple(
        part.branch.value
        for part in ex.walk(rest)
        if isinstance(part, ex.Transform) and isinstance(part.branch, ex.Number)
    )
    first = rank if rank < 0 else 0
    return first, coefficient < 0, rank, back, _unlabelled(rest), coefficient, labels, render_expression(rest)


def _back(index: Expression) -> int:
    distance = lag(index)
    return 10**6 if distance is None else distance


@lru_cache(maxsize=100_000)
def _unlabelled(expression: Expression) -> str:
    """The text of `expression` without the labels of its residual functions, which are interchangeable."""

    def strip(part: Expression) -> Expression:
        if isinstance(part, ex.Transform):
            part = ex.Transform("", part.index, ex.ONE, part.argument)
        return ex.map_children(part, strip)

    return render_expression(strip(expression))
