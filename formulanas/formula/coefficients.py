"""The values that learned and random coefficients have before training and on average: what the analysis goes by."""

import math
from fractions import Fraction

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.expressions import Expression
from formulanas.formula.render import render_expression

Scalar = Fraction | float
MAX_SIZE = 10**300  # of a coefficient, in either direction from one
MAX_BITS = 4_096  # of an exact number; beyond it a float is kept


def start_values(group: list[ex.Learn]) -> list[Scalar]:
    """The start values of learned coefficients over which one constraint holds.

    Under `softmax` a start value is the logit; under `sum` the values are divided by their sum.
    """
    starts = [_number(each.start) for each in group]
    match group[0].constraint:
        case "softmax":
            powers = [math.exp(start - max(starts)) for start in starts]
            return [power / sum(powers) for power in powers]
        case "sum":
            whole = sum(starts)
            if whole == 0:
                raise InputError("learned coefficients that sum to one cannot start at values that sum to zero")
            return [start / whole for start in starts]
        case "sigmoid" if not 0 < starts[0] < 1:
            raise InputError(f"a coefficient between 0 and 1 must start there, but starts at {starts[0]}")
    return list(starts)


def raised(base: Scalar, exponent: Scalar) -> Scalar | None:
    """`base` to the power of `exponent`, exact where it is whole and short; None where there is no such number."""
    try:
        if base == 0 or (base < 0 and exponent != int(exponent)):
            return None
        if isinstance(base, Fraction) and exponent == int(exponent):
            bits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(int(exponent))
            if bits <= MAX_BITS:
                return base ** int(exponent)
        power = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        return None
    return power if math.isfinite(power) else None


def random_mean(coefficient: ex.Random) -> Scalar:
    """The mean of a random coefficient, which stands for it after training."""
    values = [_number(parameter) for parameter in coefficient.parameters]
    if coefficient.distribution == "bernoulli":
        if not 0 <= values[0] <= 1:
            raise InputError(f"bernoulli({values[0]}): a probability lies between 0 and 1")
        return values[0]
    low, high = values
    if low > high:
        raise InputError(f"uniform({low}, {high}): low <= high must hold")
    return (low + high) / 2


def _number(expression: Expression) -> Fraction:
    if not isinstance(expression, ex.Number):
        raise InputError(f"{render_expression(expression)}: a learned or random coefficient is given by numbers")
    return expression.value
