"""Propagation paths: how many ways lead through how many residual functions, from the stem to the last block."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import Program, lower
from formulanas.formula.unroll import unroll

Coefficient = int | float
Polynomial = list[Coefficient]
LARGEST_FLOAT = 2**1000
SAFE_BITS = 60  # weights below 2**60 are added up in machine integers
NO_EXPONENT = -(2**30)  # of a weight that is zero
MAX_EXACT_WORK = 8_000_000  # additions of large integers that a user waits for; above, weights are floats


@dataclass(frozen=True)
class Weights:
    """A weight for each path length. Where it is not `exact`, it is right to about 1e-12.

    That is of the largest weight that was added to it: where signs cancel, more is not known.
    """

    values: tuple[Coefficient, ...]
    exact: bool


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
        """The signed weights."""
        return self.net.values

    @property
    def gross(self) -> tuple[Coefficient, ...]:
        """The weights with all signs positive."""
        return self.gross_weights.values

    @property
    def total(self) -> Coefficient:
        """The signed weight of all paths."""
        return add_up(self.net.values)


def add_up(weights: Sequence[Coefficient]) -> Coefficient:
    """The sum of weights, some of which may be integers that are too large for a float."""
    large = any(isinstance(weight, int) and abs(weight) > LARGEST_FLOAT for weight in weights)
    return sum(map(round, weights)) if large else sum(weights)


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


def functions_a_block(bound: BoundRecursion) -> int:
    """How many residual functions a block has; calls of one with the same weights count once."""
    parts = [part for equation in lower(bound).equations.values() for part in ex.walk(equation)]
    return len({(part.name, part.branch) for part in parts if isinstance(part, ex.Transform)})


def multiplicity(bound: BoundRecursion, num_blocks: int) -> int:
    """The number of networks hidden in one: each residual function is on or off, 2**(k L) for k functions a block.

    Abdi and Nahavandi 2016 (1609.05672); removing one function halves it.
    """
    return int(2 ** (functions_a_block(bound) * num_blocks))


def _weights(program: Program, stages: Sequence[int], signed: bool) -> Weights:
    rough = ScaledPathAlgebra(signed)
    result = unroll(program, stages, rough, Scaled(np.full(1, 0.5), np.ones(1, np.int32)))
    if not _is_whole(program):
        return Weights(tuple(result.values(whole=False)), False)
    if rough.bits < SAFE_BITS:
        return Weights(tuple(unroll(program, stages, IntegerPathAlgebra(signed), np.ones(1, np.int64)).tolist()), True)
    if rough.work * (1 + rough.bits / 2000) < MAX_EXACT_WORK:
        start: Polynomial = [1]
        polynomial: Polynomial = unroll(program, stages, PathAlgebra(signed), start)
        return Weights(tuple(polynomial), True)
    return Weights(tuple(result.values(whole=True)), False)


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
class IntegerPathAlgebra(Algebra[NDArray[np.int64]]):
    """The same polynomials in machine integers, for weights that are known to fit."""

    signed: bool

    def combine(self, terms: list[tuple[Scalar, NDArray[np.int64]]], constant: Scalar) -> NDArray[np.int64]:
        total = np.zeros(max(len(weights) for _, weights in terms), np.int64)
        for coefficient, weights in terms:
            factor = int(coefficient)
            total[: len(weights)] += (factor if self.signed else abs(factor)) * weights
        return total

    def transform(self, name: str, branch: int, block: int, value: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(1, np.int64), value])


@dataclass(frozen=True)
class Scaled:
    """A polynomial whose weights are mantissa * 2**exponent, so that none is too large or too small for a float."""

    mantissas: NDArray[np.float64]
    exponents: NDArray[np.int32]

    def values(self, whole: bool) -> list[Coefficient]:
        """The weights as floats, or as integers where they are whole or too large for a float."""
        found: list[Coefficient] = []
        for mantissa, exponent in zip(self.mantissas.tolist(), self.exponents.tolist(), strict=True):
            if whole or exponent > 1000:
                scaled = int(mantissa * 2**53)
                found.append(scaled << (exponent - 53) if exponent >= 53 else round(math.ldexp(mantissa, exponent)))
            else:
                found.append(math.ldexp(mantissa, exponent))
        return found


@dataclass
class ScaledPathAlgebra(Algebra[Scaled]):
    """The same polynomials in scaled floats: fast for thousands of blocks, whatever the weights."""

    signed: bool
    work: int = 0  # additions so far
    bits: int = 0  # of the largest weight so far

    def combine(self, terms: list[tuple[Scalar, Scaled]], constant: Scalar) -> Scaled:
        exponents = np.full(max(len(each.mantissas) for _, each in terms), NO_EXPONENT, np.int32)
        for _, each in terms:
            part = exponents[: len(each.exponents)]
            np.maximum(part, each.exponents, out=part)
        total = np.zeros(len(exponents))
        for coefficient, each in terms:
            size = len(each.mantissas)
            aligned = np.ldexp(each.mantissas, np.maximum(each.exponents - exponents[:size], -1000))
            factor = float(coefficient)
            factor = factor if self.signed else abs(factor)
            total[:size] += aligned if factor == 1 else factor * aligned
            self.work += size
        mantissas, powers = np.frexp(total)
        exponents += powers
        exponents[mantissas == 0] = NO_EXPONENT
        self.bits = max(self.bits, int(exponents.max()))
        return Scaled(mantissas, exponents)

    def transform(self, name: str, branch: int, block: int, value: Scaled) -> Scaled:
        exponents = np.concatenate([np.full(1, NO_EXPONENT, np.int32), value.exponents])
        return Scaled(np.concatenate([np.zeros(1), value.mantissas]), exponents)
