"""Propagation paths: how many ways lead through how many residual functions, from the stem to the last block."""

from dataclasses import dataclass
from fractions import Fraction

from formulanas.errors import InputError
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import lower
from formulanas.formula.unroll import Algebra, unroll

Coefficient = int | float
Polynomial = list[Coefficient]


@dataclass(frozen=True)
class Paths:
    """`lengths[k]` is the signed weight of all paths through k residual functions; `gross` with all signs positive.

    Activations and norms count as identities (Veit et al. 2016, 1605.06431). Integers are exact; with
    coefficients that are not whole, the weights are floats.
    """

    lengths: tuple[Coefficient, ...]
    gross: tuple[Coefficient, ...]

    @property
    def total(self) -> Coefficient:
        """The signed weight of all paths."""
        return sum(self.lengths)


def paths(bound: BoundRecursion, num_blocks: int) -> Paths:
    """The path lengths of `bound` unrolled over `num_blocks` blocks of one shape.

    The lengths are the coefficients of d x[L] / d x[0] as a polynomial in z, with every F' = z. The time is
    that of O(history depth * blocks**2) additions.
    """
    if num_blocks < 1:
        raise InputError(f"1 <= blocks must hold, but got {num_blocks}")
    program, stages = lower(bound), [1] * num_blocks
    start: Polynomial = [1]
    lengths = unroll(program, stages, PathAlgebra(signed=True), start)
    gross = unroll(program, stages, PathAlgebra(signed=False), start)
    return Paths(tuple(lengths), tuple(gross))


@dataclass(frozen=True)
class PathAlgebra(Algebra[Polynomial]):
    """Polynomials in z: a residual function multiplies by z, everything else is linear."""

    signed: bool

    def combine(self, terms: list[tuple[Scalar, Polynomial]], constant: Scalar) -> Polynomial:
        total: Polynomial = []
        for coefficient, polynomial in terms:
            weight = _plain(coefficient)
            weight = weight if self.signed else abs(weight)
            scaled = polynomial if weight == 1 else [weight * each for each in polynomial]
            if len(scaled) > len(total):
                total, scaled = scaled, total
            total = [a + b for a, b in zip(total, scaled, strict=False)] + total[len(scaled) :]
        return total  # a constant has no derivative

    def transform(self, name: str, branch: int, block: int, value: Polynomial) -> Polynomial:
        return [0, *value]


def _plain(coefficient: Scalar) -> Coefficient:
    """An int where the coefficient is whole, else a float: arithmetic on fractions of many blocks is too slow."""
    if isinstance(coefficient, Fraction):
        return coefficient.numerator if coefficient.denominator == 1 else float(coefficient)
    return coefficient
