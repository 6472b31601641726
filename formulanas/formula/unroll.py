"""The one function that knows how a recursion runs over blocks, generic in the values it runs on.

Over polynomials it gives path lengths, over numbers growth, over shapes and names the cost of a network and its code.
"""

import functools
import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Generic, Protocol, TypeVar, cast

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.canonical import lag
from formulanas.formula.expressions import Expression
from formulanas.formula.program import Program
from formulanas.formula.render import render_expression

V = TypeVar("V")
Scalar = Fraction | float


class Algebra(Protocol[V]):
    """What an algebra says of its values; a history that does not exist yet never reaches it, except in `carry`."""

    def combine(self, terms: list[tuple[Scalar, V]], constant: Scalar) -> V:
        """The sum of `coefficient * value` over `terms`, plus `constant`."""

    def product(self, factors: list[V]) -> V:
        """The elementwise product of two factors or more."""

    def operation(self, name: str, value: V, block: int) -> V:
        """The operation `name`, such as relu, applied to `value` in block `block`."""

    def transform(self, name: str, branch: int, block: int, value: V) -> V:
        """Residual function `branch` of block `block`, applied to `value`: it brings it to the block's stage."""

    def carry(self, value: V | None, sequence: str, policy: str, place: int, distance: int) -> V | None:
        """`value`, of `distance` blocks before the first of stage `place`, brought to the shape of that stage."""

    def learned(self, coefficient: ex.Learn, block: int) -> V:
        """A learned coefficient of block `block`."""

    def concat(self, parts: list[V]) -> V:
        """The channels of `parts`, joined."""

    def slice(self, value: V, start: int | None, stop: int | None) -> V:
        """Channels `start` to `stop` of `value`."""

    def drop(self, value: V, rate: Scalar) -> V:
        """`value`, kept with probability `1 - rate` while training."""


def unroll(program: Program, stages: Sequence[int], algebra: Algebra[V], stem: V) -> V:
    """The state after the last block, given the output of the stem.

    `stages[n - 1]` is the stage, counted from 1, of block `n`; stage 0 is the stem's shape.
    """
    run = _Run(program, stages, algebra, stem)
    for block in range(1, len(stages) + 1):
        run.compute(block)
    last = run.read("x", len(stages), stages[-1] if stages else 0)
    if last is None:
        raise InputError("the state is zero after the last block: none of its terms reaches back to the stem")
    return last


def step(program: Program, block: int, algebra: Algebra[V], history: Mapping[tuple[str, int], V]) -> dict[str, V]:
    """What one block computes from `history`, which maps (sequence, blocks back) to values; all of one shape."""
    run = _Run(program, [1] * block, algebra, history["x", block])
    run.values = {(name, block - back): {1: value} for (name, back), value in history.items()}
    run.compute(block)
    return {name: run.values[name, block][1] for name in program.equations if (name, block) in run.values}


class _Run(Generic[V]):
    def __init__(self, program: Program, stages: Sequence[int], algebra: Algebra[V], stem: V) -> None:
        self.program, self.stages, self.algebra = program, stages, algebra
        self.values: dict[tuple[str, int], dict[int, V]] = {("x", 0): {0: stem}}  # by sequence and block, then by stage
        for name, (start, _) in program.policies.items():
            if start == "copy" and name not in program.sums:
                self.values[name, 0] = {0: stem}
        self.memo: dict[tuple[Expression, int], V | Scalar | None] = {}
        self.block = 0
        self.first = 1  # the first block of the current stage

    def compute(self, block: int) -> None:
        """Computes every sequence of `block`, and forgets what no later block reads."""
        self.block = block
        self.memo.clear()
        if block == 1 or self.stage != self.stages[block - 2]:
            self.first = block
        for name, equation in self.program.equations.items():
            value = self.evaluate(equation, self.stage)
            if isinstance(value, Fraction | float):
                raise InputError(f"{name}[{block}] = {value} is a number at this block; it must be a state")
            if value is not None:
                self.values[name, block] = {self.stage: value}
        for name, depth in self.program.history.items():
            if depth is not None and (forgotten := block - max(depth, 1)) not in (0, self.first - 1):
                self.values.pop((name, forgotten), None)

    @property
    def stage(self) -> int:
        return self.stages[self.block - 1]

    @property
    def input_stage(self) -> int:
        """The stage whose shape the transforms of this block read."""
        return self.stages[self.block - 2] if self.block > 1 else 0

    def read(self, sequence: str, block: int, place: int) -> V | None:
        """The value of a sequence after `block`, in the shape of stage `place`; None where there is none."""
        start, shape = self.program.policies[sequence]
        if shape == "reset":
            before = self.first - 1
            if block < before or (0 < before == block and sequence != "x"):
                return None
        if block < 0 and start == "copy":
            block = 0
        versions = self.values.get((sequence, block))
        if versions is None:
            if shape != "reset" and self.block == self.first and place == self.stage:
                self.algebra.carry(None, sequence, shape, place, self.block - block)
            return None
        known = max(each for each in versions if each <= place)
        for stage in range(known + 1, place + 1):
            first = self.stages.index(stage) + 1
            carried = self.algebra.carry(versions[stage - 1], sequence, shape, stage, first - block)
            versions[stage] = cast(V, carried)
        return versions[place]

    def evaluate(self, expression: Expression, place: int) -> V | Scalar | None:
        """The value of `expression` in the shape of stage `place`, or a number; None where it is missing."""
        if not isinstance(expression, ex.Transform | ex.Operation):
            return self.value(expression, place)
        if (expression, place) not in self.memo:  # a call that is written twice is computed once
            self.memo[expression, place] = self.value(expression, place)
        return self.memo[expression, place]

    def value(self, expression: Expression, place: int) -> V | Scalar | None:
        match expression:
            case ex.State(sequence, ex.Number()):  # the anchor: where the history begins anew, what enters the stage
                reset = self.program.policies[sequence][1] == "reset"
                return self.read(sequence, self.first - 1 if reset else 0, place)
            case ex.State(sequence, index):
                return self.read(sequence, self.whole(index), place)
            case ex.Transform(name, index, branch, argument):
                inner = (name, branch) in self.program.inner
                value = self.state(argument, self.stage if inner else self.input_stage)
                if value is None:
                    return None
                if not inner and place != self.stage:
                    raise InputError(f"{render_expression(expression)} is read in the shape before its own block")
                return self.algebra.transform(name, self.whole(branch), self.block, value)
            case ex.Operation(name, argument):
                value = self.state(argument, place)
                if value is not None:
                    return self.algebra.operation(name, value, self.block)
                return Fraction(1, 2) if name == "sigmoid" else None
            case ex.Sum(body, variable, low, high):
                terms = [
                    ex.substitute(body, variable, ex.number(i)) for i in range(self.whole(low), self.whole(high) + 1)
                ]
                return self.combine([self.scaled(term, place) for term in terms])
            case ex.Add(terms):
                return self.combine([self.scaled(term, place) for term in terms])
            case ex.Concat(parts):
                values = [value for value in (self.state(part, place) for part in parts) if value is not None]
                return self.algebra.concat(values) if len(values) > 1 else values[0] if values else None
            case ex.Slice(argument, start, stop):
                value = self.state(argument, place)
                bounds = [None if part is None else self.whole(part) for part in (start, stop)]
                return None if value is None else self.algebra.slice(value, *bounds)
            case ex.Drop(argument, rate):
                value = self.state(argument, place)
                return None if value is None else self.algebra.drop(value, self.scalar(rate))
            case ex.Learn():
                return self.algebra.learned(expression, self.block)
            case _ if not any(isinstance(part, ex.Learn) for part in ex.walk(expression)) and ex.is_scalar(expression):
                return self.scalar(expression)
        return self.combine([self.scaled(expression, place)])

    def state(self, expression: Expression, place: int) -> V | None:
        value = self.evaluate(expression, place)
        if isinstance(value, Fraction | float):
            raise InputError(f"{render_expression(expression)} is a number at block {self.block}; a state is needed")
        return value

    def scaled(self, term: Expression, place: int) -> tuple[Scalar, V | Scalar | None]:
        """A term of a sum as its coefficient and the value that it multiplies."""
        if not isinstance(term, ex.Multiply):
            return Fraction(1), self.evaluate(term, place)
        coefficient: Scalar = Fraction(1)
        factors: list[V] = []
        for factor in term.factors:
            value = self.evaluate(factor, place)
            if value is None:
                return Fraction(0), None
            if isinstance(value, Fraction | float):
                coefficient = coefficient * value
            else:
                factors.append(value)
        if not factors:
            return Fraction(1), coefficient
        return coefficient, factors[0] if len(factors) == 1 else self.algebra.product(factors)

    def combine(self, terms: list[tuple[Scalar, V | Scalar | None]]) -> V | Scalar | None:
        """The sum of the terms that exist."""
        constant: Scalar = Fraction(0)
        values: list[tuple[Scalar, V]] = []
        for coefficient, value in terms:
            if isinstance(value, Fraction | float):
                constant = constant + coefficient * value
            elif value is not None and coefficient != 0:
                values.append((coefficient, value))
        if not values:
            return constant if constant != 0 else None
        if len(values) == 1 and values[0][0] == 1 and constant == 0:
            return values[0][1]
        return self.algebra.combine(values, constant)

    def scalar(self, expression: Expression) -> Scalar:
        """The value of a number at this block."""
        match expression:
            case ex.Number(value):
                return value
            case ex.Index("n"):
                return Fraction(self.block)
            case ex.Index("N"):
                return Fraction(len(self.stages))
            case ex.Add(terms):
                return functools.reduce(operator.add, [self.scalar(term) for term in terms])
            case ex.Multiply(factors):
                return functools.reduce(operator.mul, [self.scalar(factor) for factor in factors])
            case ex.Power(base, exponent):
                number, power = self.scalar(base), self.scalar(exponent)
                if number == 0 or (number < 0 and power != int(power)):
                    raise InputError(f"{render_expression(expression)} has no value at block {self.block}")
                return number ** (int(power) if power == int(power) else float(power))
        raise InputError(f"{render_expression(expression)} is not a number at block {self.block}")

    def whole(self, expression: Expression) -> int:
        if (distance := lag(expression)) is not None:
            return self.block - distance
        value = self.scalar(expression)
        if value != int(value):
            raise InputError(
                f"{render_expression(expression)} = {value} at block {self.block}; it must be a whole number"
            )
        return int(value)
