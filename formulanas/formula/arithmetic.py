"""Sums, products and powers of expressions in a normal form that keeps what the author wrote in the order written."""

from collections.abc import Iterable
from fractions import Fraction

from formulanas.formula.expressions import MINUS_ONE, ONE, Add, Expression, Multiply, Number, Power

MAX_NUMBER = 10**40  # that a formula's text may have, above and below the line of a fraction
MAX_EXPONENT = 64  # of powers that are folded


def is_readable(value: Fraction) -> bool:
    """Whether a text that has the number can be read again."""
    return max(abs(value.numerator), value.denominator) <= MAX_NUMBER


def add(terms: Iterable[Expression]) -> Expression:
    """The sum of `terms`, flat, neighbouring constants folded into one."""
    flat: list[Expression] = []
    for term in terms:
        for part in term.terms if isinstance(term, Add) else (term,):
            if flat and isinstance(part, Number) and isinstance(flat[-1], Number):
                flat[-1] = Number(flat[-1].value + part.value)
            else:
                flat.append(part)
    return flat[0] if len(flat) == 1 else Add(tuple(flat))


def multiply(factors: Iterable[Expression]) -> Expression:
    """The product of `factors`, flat, its constants folded into one leading coefficient."""
    flat: list[Expression] = []
    coefficient = Fraction(1)
    for factor in factors:
        for part in factor.factors if isinstance(factor, Multiply) else (factor,):
            if isinstance(part, Number):
                coefficient *= part.value
            else:
                flat.append(part)
    if coefficient != 1 or not flat:
        flat.insert(0, Number(coefficient))
    return flat[0] if len(flat) == 1 else Multiply(tuple(flat))


def power(base: Expression, exponent: Expression) -> Expression:
    """`base` raised to `exponent`, folded where the result is exact."""
    if exponent == ONE or base == ONE:
        return base
    match base, exponent:
        case Number(value), Number(Fraction(denominator=1) as count) if abs(count) <= MAX_EXPONENT:
            if value and is_readable(folded := value ** int(count)):
                return Number(folded)
        case Power(inner, Number(first)), Number(Fraction(denominator=1) as second):
            return power(inner, Number(first * second))
    return Power(base, exponent)


def split_coefficient(term: Expression) -> tuple[Fraction, Expression]:
    """The leading constant of `term` and what it multiplies: `-2 * u` is (-2, u)."""
    match term:
        case Number(value):
            return value, ONE
        case Multiply((Number(value), *rest)):
            return value, multiply(rest)
    return Fraction(1), term


def negate(term: Expression) -> Expression:
    """`-term`."""
    return multiply((MINUS_ONE, term))
