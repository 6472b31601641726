"""From a bound recursion to what one block computes: cached transforms and running sums become sequences."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, multiply
from formulanas.formula.bound import BoundRecursion, evaluation_order
from formulanas.formula.canonical import canonical, lag
from formulanas.formula.expressions import Expression
from formulanas.formula.render import render_expression

NORMS = ("bn", "ln")  # operations with weights: a norm belongs to the value that it normalises


@dataclass(frozen=True)
class Program:
    """The equations of one block in the order in which they are computed, and what must be kept of earlier blocks.

    `history` maps each sequence to the number of blocks for which its values are read, None for ever.
    `sums` are the running sums: nothing before the first block, whatever the start policy.
    `growing` are the sequences whose channels grow from block to block: each joins channels to its own last value.
    `inner` are the transforms that read the block's own shape, where any other reads the shape of the block before:
    those applied to values of their own block, `F[n](F[n](u))`, and those of growing sequences, which cross a change
    of shape by a transition of their own (DenseNet, 1608.06993).
    """

    equations: Mapping[str, Expression]
    policies: Mapping[str, tuple[str, str]]
    history: Mapping[str, int | None]
    sums: frozenset[str]
    growing: frozenset[str]
    inner: frozenset[tuple[str, Expression]]


@dataclass
class _Lowering:
    bound: BoundRecursion
    equations: dict[str, Expression] = field(default_factory=dict)
    names: dict[Expression, str] = field(default_factory=dict)  # the sequence that holds an expression's value
    policies: dict[str, tuple[str, str]] = field(default_factory=dict)
    sums: set[str] = field(default_factory=set)

    def run(self) -> Program:
        for name, equation in self.bound.equations.items():
            self.policies[name] = (self.bound.policy("start", name), self.bound.policy("shape", name))
            self.equations[name] = self.lower(equation)
        for expression, name in self.names.items():
            self.equations = {each: _share(value, expression, name) for each, value in self.equations.items()}
        order = evaluation_order(self.equations)
        equations = {name: self.equations[name] for name in order}
        growing = _growing(equations)
        inner = _inner(equations, growing)
        return Program(equations, self.policies, _history(equations), frozenset(self.sums), growing, inner)

    def lower(self, expression: Expression) -> Expression:
        expression = ex.map_children(expression, self.lower)
        match expression:
            case ex.Transform(name, index, _, argument):
                distance = lag(index)
                if distance is None:
                    raise InputError(
                        f"{render_expression(expression)}: the block of a transform is n, n-1, n-2 and so on"
                    )
                return self.cached(expression, distance, name.lower()) if distance else expression
            case ex.Operation(name, argument) if name in NORMS:
                distance = min((back for back in map(lag, _indices(argument)) if back is not None), default=1)
                return self.cached(expression, distance - 1, name) if distance > 1 else expression
            case ex.Sum():
                return self.running_sum(expression)
        return expression

    def cached(self, expression: Expression, distance: int, name: str) -> Expression:
        """The value that `expression` had `distance` blocks ago, when it was computed."""
        earlier = canonical(ex.shift(expression, distance))
        if any(back is not None and back < 0 for back in map(lag, _indices(earlier))):
            raise InputError(
                f"{render_expression(expression)} applies the weights of an earlier block to a later state, which is "
                "not supported yet; F[n-1](x[n-2]) is the value that block n-1 computed"
            )
        sequence = self.sequence(earlier, name, earlier)
        return ex.State(sequence, canonical(add((ex.BLOCK, ex.number(-distance)))))

    def running_sum(self, total: ex.Sum) -> Expression:
        """One variable instead of a sum over the whole history, where each block adds one term and changes none."""
        newest = canonical(ex.substitute(total.body, total.variable, ex.ONE))
        back = add((ex.BLOCK, ex.ONE, multiply((ex.MINUS_ONE, ex.Index(total.variable)))))
        same = canonical(ex.substitute(newest, "n", back)) == total.body
        learned = any(isinstance(part, ex.Learn | ex.Random | ex.Sum) for part in ex.walk(total.body))
        if total.kind != "sum" or total.high != ex.BLOCK or not same or learned:
            return total
        before = canonical(add((ex.BLOCK, ex.MINUS_ONE)))
        sequence = self.sequence(total, "sum", newest, before)
        self.sums.add(sequence)
        return ex.State(sequence, ex.BLOCK)

    def sequence(self, key: Expression, name: str, value: Expression, before: Expression | None = None) -> str:
        if key not in self.names:
            name = f"{name}{sum(each.startswith(name) for each in self.equations) + 1}"
            self.policies[name] = (self.bound.policy("start", "x"), self.bound.policy("shape", "x"))
            self.equations[name] = value if before is None else add((ex.State(name, before), value))
            self.names[key] = name
        return self.names[key]


def lower(bound: BoundRecursion) -> Program:
    """The program that computes `bound` block by block. Raises InputError for what no program computes yet."""
    return _Lowering(bound).run()


def _share(equation: Expression, expression: Expression, name: str) -> Expression:
    """`equation` reading the sequence `name` wherever it computes `expression` anew in its own block."""
    if equation == expression:  # the sequence's own definition
        return equation

    def replace(part: Expression) -> Expression:
        return ex.State(name, ex.BLOCK) if part == expression else ex.map_children(part, replace)

    return ex.map_children(equation, replace)


def _indices(expression: Expression) -> list[Expression]:
    return [part.index for part in ex.walk(expression) if isinstance(part, ex.State | ex.Transform)]


def _history(equations: Mapping[str, Expression]) -> dict[str, int | None]:
    depths: dict[str, int | None] = dict.fromkeys(equations, 0)
    for equation in equations.values():
        for part in ex.walk(equation):
            if isinstance(part, ex.State) and part.index != ex.ZERO:
                distance, known = lag(part.index), depths[part.sequence]
                depths[part.sequence] = None if distance is None or known is None else max(known, distance)
    return depths


def _inner(equations: Mapping[str, Expression], growing: frozenset[str]) -> frozenset[tuple[str, Expression]]:
    return frozenset(
        (call.name, call.branch)
        for equation in equations.values()
        for call in ex.walk(equation)
        if isinstance(call, ex.Transform)
        for part in ex.walk(call.argument)
        if isinstance(part, ex.State | ex.Transform)
        and (lag(part.index) == 0 or (isinstance(part, ex.State) and part.sequence in growing))
    )


def _growing(equations: Mapping[str, Expression]) -> frozenset[str]:

    def joins(part: Expression, name: str) -> bool:
        if isinstance(part, ex.Transform):
            return False  # what it reads joined, it brings back to one width
        parts = part.parts if isinstance(part, ex.Concat) else ()
        itself = any(isinstance(each, ex.State) and each.sequence == name for each in parts)
        return itself or any(joins(child, name) for child in ex.children(part))

    return frozenset(name for name, equation in equations.items() if joins(equation, name))
