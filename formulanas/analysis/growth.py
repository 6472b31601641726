"""Signal growth: how fast the state of a recursion grows from block to block, before any training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.coefficients import Scalar
from formulanas.formula.program import Program, lower
from formulanas.formula.unroll import step, unroll

Vector = NDArray[np.float64]
MAX_SLOTS = 1_000  # of a companion matrix, which holds all that is remembered


def growth(bound: BoundRecursion, num_blocks: int = 64) -> float | None:
    """The factor by which the state grows per block: the spectral radius of the recurrence's companion matrix.

    Residual functions and norms end or begin with a normalisation, so that they add to the state without
    scaling with it; activations count as identities. x[n-1] + x[n-2] has 1.618, a ResNet 1, a plain network 0.
    Where the recurrence is not the same in every block (coefficients in n, sums over all of history), the mean
    factor over `num_blocks` blocks. None where the formula is not linear in its states (gates).
    """
    program = lower(bound)
    constant = all(part not in (ex.BLOCK, ex.NUM_BLOCKS) for part in _coefficients(program))
    try:
        depths = [MAX_SLOTS if depth is None else max(depth, 1) for depth in program.history.values()]
        if constant and sum(depths) < MAX_SLOTS:
            return _spectral_radius(program, num_blocks)
        last = unroll(program, [1] * num_blocks, LinearAlgebra(1), np.ones(1))
        return float(abs(last[0]) ** (1 / num_blocks))
    except InputError:
        return None


def _coefficients(program: Program) -> list[ex.Expression]:
    """The parts of the equations that stand outside of any index."""

    def outside(part: ex.Expression) -> list[ex.Expression]:
        if isinstance(part, ex.State):
            return []
        inner = [part.argument] if isinstance(part, ex.Transform) else ex.children(part)
        return [part, *(each for child in inner for each in outside(child))]

    return [part for equation in program.equations.values() for part in outside(equation)]


def _spectral_radius(program: Program, block: int) -> float:
    slots = [(name, back) for name, depth in program.history.items() for back in range(1, max(depth or 0, 1) + 1)]
    basis = dict(zip(slots, np.eye(len(slots)), strict=True))
    history = {**basis, ("x", block): np.zeros(len(slots))}  # the anchor is a constant, which does not grow
    computed = step(program, block, LinearAlgebra(len(slots)), history)
    none = np.zeros(len(slots))
    companion = [computed.get(name, none) if back == 1 else basis[name, back - 1] for name, back in slots]
    return float(max(abs(np.linalg.eigvals(np.array(companion)))))


@dataclass(frozen=True)
class LinearAlgebra(Algebra[Vector]):
    """Linear forms in the entries of the history: what does not scale with the history is zero."""

    size: int

    def combine(self, terms: list[tuple[Scalar, Vector]], constant: Scalar) -> Vector:
        return sum((float(coefficient) * value for coefficient, value in terms), np.zeros(self.size))

    def operation(self, name: str, value: Vector, block: int) -> Vector:
        return np.zeros(self.size) if name in ("bn", "ln", "sigmoid", "tanh") else value

    def transform(self, name: str, branch: int, block: int, value: Vector) -> Vector:
        return np.zeros(self.size)
