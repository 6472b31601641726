"""The one function that knows how a recursion runs over blocks, generic in the values it runs on.

Over polynomials it gives path lengths, over numbers growth, over shapes and names the cost of a network and its code.
"""

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Generic, cast

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.algebra import Algebra, Bound, V
from formulanas.formula.arithmetic import multiply
from formulanas.formula.canonical import lag
from formulanas.formula.coefficients import MAX_SIZE, Scalar, raised
from formulanas.formula.expressions import Expression
from formulanas.formula.program import Program
from formulanas.formula.render import render_expression

MAX_EVALUATIONS = 1_000_000  # of parts of equations, over all blocks
TERM_EVALUATIONS = 10  # to write out one term of a sum costs as much as to evaluate so many


def unroll(program: Program, stages: Sequence[int], algebra: Algebra[V], stem: V, nothing: V | None = None) -> V:
    """The state after the last block, given the output of the stem.

    `stages[n - 1]` is the stage, counted from 1, of block `n`; stage 0 is the stem's shape. A state that is zero there,
    since none of its terms reaches back to the stem, is `nothing`; without that value it is an InputError.
    """
    run = _Run(program, stages, algebra, stem)
    for block in range(1, len(stages) + 1):
        run.compute(block)
    last = run.read("x", len(stages), stages[-1] if stages else 0)
    if last is None and nothing is not None:
        return nothing
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
        self.evaluations = 0
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
            value = self.algebra.computed(name, block, value)
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

    def read(self, sequence: str, block: int, stage: int) -> V | None:
        """The value of a sequence after `block`, in the shape of stage `stage`; None where there is none."""
        start, shape = self.program.policies[sequence]
        if shape == "reset":
            before = self.first - 1
            if block < before or (0 < before == block and sequence != "x"):
                return None
        if block < 0 and start == "copy":
            block = 0
        versions = self.values.get((sequence, block))
        if versions is None:
            if shape != "reset" and self.block == self.first and stage == self.stage:
                self.algebra.carry(None, sequence, shape, stage, self.block - block)
            return None
        known = max(version for version in versions if version <= stage)
        for entered in range(known + 1, stage + 1):
            first = self.stages.index(entered) + 1
            carried = self.algebra.carry(versions[entered - 1], sequence, shape, entered, first - block)
            if carried is None:
                return None
            versions[entered] = carried
        return versions[stage]

    def evaluate(self, expression: Expression, stage: int) -> V | Scalar | None:
        """The value of `expression` in the shape of stage `stage`, or a number; None where it is missing."""
        self.count(1)
        named = isinstance(expression, ex.Learn | ex.Random) and expression.name is not None
        if not named and not isinstance(expression, ex.Transform | ex.Operation):
            return self.value(expression, stage)
        at = (expression, 0 if named else stage)
        if at not in self.memo:  # a call that is written twice is computed once
            self.memo[at] = self.value(expression, stage)
        return self.memo[at]

    def count(self, evaluations: int) -> None:
        """Counts the parts of equations that are evaluated, against one budget for all blocks."""
        self.evaluations += evaluations
        if self.evaluations >= MAX_EVALUATIONS:
            raise InputError(
                f"the formula takes more than {MAX_EVALUATIONS:,} steps over {len(self.stages):,} blocks, of which "
                f"block {self.block:,} is reached; take fewer blocks, or shorter sums"
            )

    def value(self, expression: Expression, stage: int) -> V | Scalar | None:
        match expression:
            case ex.State(sequence, ex.Number()):  # the anchor: where the history begins anew, what enters the stage
                reset = self.program.policies[sequence][1] == "reset"
                return self.read(sequence, self.first - 1 if reset else 0, stage)
            case ex.State(sequence, index):
                return self.read(sequence, self.whole(index), stage)
            case ex.Transform(name, index, branch, argument):
                inner = (name, branch) in self.program.inner
                value = self.state(argument, self.stage if inner else self.input_stage)
                if value is None:
                    return None
                if not inner and stage != self.stage:
                    raise InputError(f"{render_expression(expression)} is read in the shape before its own block")
                return self.algebra.transform(name, self.whole(branch), self.block, value)
            case ex.Operation(name, argument):
                value = self.state(argument, stage)
                if value is not None:
                    return self.algebra.operation(name, value, self.block)
                return Fraction(1, 2) if name == "sigmoid" else None
            case ex.Sum(body, variable, low, high, kind):
                steps = range(self.whole(low), self.whole(high) + 1)
                self.count(TERM_EVALUATIONS * max(0, steps.stop - steps.start))
                terms = [ex.substitute(body, variable, ex.number(step)) for step in steps]
                return self.concat(terms, stage) if kind == "concat" else self.total(terms, stage)
            case ex.Add(terms):
                return self.total(terms, stage)
            case ex.Concat(parts):
                return self.concat(parts, stage)
            case ex.Slice(argument, start, stop):
                value = self.state(argument, stage)
                if value is None:
                    return None
                return self.algebra.slice(value, self.bound(start), self.bound(stop), self.block)
            case ex.Drop(argument, rate, per):
                value = self.state(argument, stage)
                return None if value is None else self.algebra.drop(value, self.scalar(rate), per, self.block)
            case ex.Learn():
                return self.algebra.learned([expression], self.block, stage)[0]
            case ex.Random():
                return self.algebra.random(expression, self.block)
            case ex.Number() | ex.Index() | ex.Power() | ex.Floor():
                return self.scalar(expression)
        return self.combine([self.scaled(expression, stage)])

    def concat(self, parts: Sequence[Expression], stage: int) -> V | None:
        """The channels of the parts that exist, joined."""
        values = [value for value in (self.state(part, stage) for part in parts) if value is not None]
        return self.algebra.concat(values) if len(values) > 1 else values[0] if values else None

    def total(self, terms: Sequence[Expression], stage: int) -> V | Scalar | None:
        """The sum of the terms that exist; a constraint on learned coefficients holds over those."""
        split = [_constrained(term) for term in terms]
        scaled = [self.scaled(rest, stage) for _, rest in split]
        for constraint in ("softmax", "sum"):
            members = [
                (at, learn)
                for at, (learn, _) in enumerate(split)
                if learn is not None and learn.constraint == constraint and scaled[at][1] is not None
            ]
            if not members:
                continue
            weights = self.algebra.learned([learn for _, learn in members], self.block, stage)
            for (at, _), weight in zip(members, weights, strict=True):
                coefficient, value = scaled[at]
                if isinstance(weight, Fraction | float):
                    scaled[at] = coefficient * weight, value
                elif isinstance(value, Fraction | float):
                    scaled[at] = coefficient * value, weight
                else:
                    scaled[at] = coefficient, self.algebra.product([weight, cast(V, value)])
        return self.combine(scaled)

    def bound(self, expression: Expression | None) -> Bound:
        if expression is None:
            return None
        return "width" if expression == ex.WIDTH else self.whole(expression)

    def state(self, expression: Expression, stage: int) -> V | None:
        value = self.evaluate(expression, stage)
        if isinstance(value, Fraction | float):
            raise InputError(f"{render_expression(expression)} is a number at block {self.block}; a state is needed")
        return value

    def scaled(self, term: Expression, stage: int) -> tuple[Scalar, V | Scalar | None]:
        """A term of a sum as its coefficient and the value that it multiplies."""
        if not isinstance(term, ex.Multiply):
            return Fraction(1), self.evaluate(term, stage)
        coefficient: Scalar = Fraction(1)
        factors: list[V] = []
        for factor in term.factors:
            value = self.evaluate(factor, stage)
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
        if not all(-MAX_SIZE <= number <= MAX_SIZE for number in (constant, *(factor for factor, _ in values))):
            raise InputError(f"a coefficient at block {self.block} is larger than 1e{len(str(MAX_SIZE)) - 1}")
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
                power = raised(self.scalar(base), self.scalar(exponent))
                if power is None:
                    raise InputError(f"{render_expression(expression)} has no value at block {self.block}")
                return power
            case ex.Floor(argument):
                return Fraction(math.floor(self.scalar(argument)))
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


def _constrained(term: Expression) -> tuple[ex.Learn | None, Expression]:
    """A term of a sum as its learned coefficient, if a constraint over the sum holds for it, and the rest."""
    factors = term.factors if isinstance(term, ex.Multiply) else (term,)
    for at, factor in enumerate(factors):
        if isinstance(factor, ex.Learn) and factor.constraint in ("softmax", "sum"):
            return factor, multiply((*factors[:at], *factors[at + 1 :]))
    return None, term
