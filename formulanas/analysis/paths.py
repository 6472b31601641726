"""Propagation paths: how many ways lead through how many residual functions, from the stem to the last block."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import Program, lower
from formulanas.formula.unroll import Algebra, unroll

Coefficient = int | float
Polynomial = list[Coefficient]
SAFE_BITS = 60  # weights below 2**60 are added up in machine integers
MAX_EXACT_WORK = 8_000_000  # additions of large integers that a user waits for; above, weights are floats


@dataclass(frozen=True)
class Weights:
    """A weight for each path length, to be multiplied by 2**`exponent`; floats where they are not `exact`.

    Floats are right to about 1e-12 of the largest weight of a block; where signs cancel, that is all that is known.
    """

    values: tuple[Coefficient, ...]
    exact: bool
    exponent: int = 0


@dataclass(frozen=True)
class Paths:
    """`net.values[k]` is the signed weight of all paths through k residual functions; `gross` with all signs positive.

    Activations and norms count as identities (Veit et al. 2016, 1605.06431), learned and random coefficients have
    their start values and means. Whole weights are exact, unless there is too much to add up.
    """

    net: Weights
    gross_weights: Weights

    @property
    def lengths(self) -> tuple[Coefficient, ...]:
        """The signed weights; where they are too large for floats, the factor 2**exponent is left out."""
        return self.net.values

    @property
    def gross(self) -> tuple[Coefficient, ...]:
        """The weights with all signs positive, in the same way."""
        return self.gross_weights.values

    @property
    def total(self) -> Coefficient:
        """The signed weight of all paths."""
        return sum(self.net.values)


def paths(bound: BoundRecursion, num_blocks: int) -> Paths:
    """The path lengths of `bound` unrolled over `num_blocks` blocks of one shape."""
    if num_blocks < 1:
        raise InputError(f"1 <= blocks must hold, but got {num_blocks}")
    return paths_over(bound, [1] * num_blocks)


def paths_over(bound: BoundRecursion, stages: Sequence[int]) -> Paths:
    """The path lengths of `bound` over blocks of given `stages`, whose changes of shape matter under `reset`.

    The lengths are the coefficients of d x[L] / d x[0] as a polynomial in z, with every F' = z. The time is
    that of O(terms * blocks**2) additions.
    """
    program = lower(bound)
    return Paths(_weights(program, stages, signed=True), _weights(program, stages, signed=False))


def _weights(program: Program, stages: Sequence[int], signed: bool) -> Weights:
    rough = VectorPathAlgebra(signed, np.dtype(np.float64))
    result = unroll(program, stages, rough, Vector(np.ones(1), 0))
    if _is_whole(program):
        if rough.bits < SAFE_BITS:
            exactly = VectorPathAlgebra(signed, np.dtype(np.int64))
            return Weights(
                tuple(unroll(program, stages, exactly, Vector(np.ones(1, np.int64), 0)).weights.tolist()), True
            )
        if rough.work * (1 + rough.bits / 2000) < MAX_EXACT_WORK:
            start: Polynomial = [1]
            polynomial: Polynomial = unroll(program, stages, PathAlgebra(signed), start)
            return Weights(tuple(polynomial), True)
    if rough.bits < 1000:  # floats hold these weights themselves
        return Weights(tuple(np.ldexp(result.weights, result.exponent).tolist()), False)
    return Weights(tuple(result.weights.tolist()), False, result.exponent)


def _is_whole(program: Program) -> bool:
    """Whether all coefficients are whole numbers that do not depend on the block."""
    parts = [part for equation in program.equations.values() for part in ex.walk(equation)]
    fractions = any(isinstance(part, ex.Number) and part.value.denominator != 1 for part in parts)
    return not fractions and not any(isinstance(part, ex.Power | ex.Learn | ex.Random | ex.Drop) for part in parts)


@dataclass(frozen=True)
class PathAlgebra(Algebra[Polynomial]):
    """Polynomials in z: a residual function multiplies by z, everything else is linear. Whole weights are exact."""

    signed: bool

    def combine(self, terms: list[tuple[Scalar, Polynomial]], constant: Scalar) -> Polynomial:
        """The sum of `terms`; a constant has no derivative."""
        total: Polynomial = []
        for coefficient, polynomial in terms:
            weight = _plain(coefficient)
            weight = weight if self.signed else abs(weight)
            scaled = polynomial if weight == 1 else [weight * each for each in polynomial]
            if len(scaled) > len(total):
                total, scaled = scaled, total
            total = [a + b for a, b in zip(total, scaled, strict=False)] + total[len(scaled) :]
        return total

    def transform(self, name: str, branch: int, block: int, value: Polynomial) -> Polynomial:
        return [0, *value]


def _plain(coefficient: Scalar) -> Coefficient:
    if isinstance(coefficient, Fraction):
        return coefficient.numerator if coefficient.denominator == 1 else float(coefficient)
    return coefficient


@dataclass(frozen=True)
class Vector:
    """A polynomial as an array of weights, to be multiplied by 2**exponent."""

    weights: NDArray[Any]
    exponent: int


@dataclass
class VectorPathAlgebra(Algebra[Vector]):
    """The same polynomials as arrays: of floats that never overflow, or of machine integers that are known to fit."""

    signed: bool
    kind: np.dtype[Any]
    work: int = 0  # additions so far
    bits: float = 0.0  # of the largest weight so far

    def combine(self, terms: list[tuple[Scalar, Vector]], constant: Scalar) -> Vector:
        exponent = max(each.exponent for _, each in terms)
        total = np.zeros(max(len(each.weights) for _, each in terms), self.kind)
        for coefficient, each in terms:
            factor = self.kind.type(coefficient if self.signed else abs(coefficient))
            weights = each.weights if each.exponent == exponent else np.ldexp(each.weights, each.exponent - exponent)
            total[: len(weights)] += weights if factor == 1 else factor * weights
            self.work += len(weights)
        if self.kind == np.float64:
            _, power = np.frexp(np.abs(total).max(initial=0.0))
            self.bits = max(self.bits, float(power) + exponent)
            if power > 256:
                return Vector(np.ldexp(total, -int(power)), exponent + int(power))
        return Vector(total, exponent)

    def transform(self, name: str, branch: int, block: int, value: Vector) -> Vector:
        return Vector(np.concatenate([np.zeros(1, self.kind), value.weights]), value.exponent)
