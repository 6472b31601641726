"""What one block computes, as a graph: a node a transform, operation, sum or product, an input a value it reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from formulanas.diagram.mathtext import pieces
from formulanas.errors import InputError
from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, multiply
from formulanas.formula.bound import BoundRecursion, evaluation_order
from formulanas.formula.canonical import canonical, lag
from formulanas.formula.expressions import Expression
from formulanas.formula.latex import latex_expression
from formulanas.formula.program import lower
from formulanas.formula.render import render_expression

# An offset adds a number, a complement subtracts from one; a text is a part too rich to be drawn.
Kind = Literal["transform", "operation", "offset", "complement", "sum", "product", "concat", "state", "text"]

MAX_LAG = 4  # the furthest history that a picture shows
MAX_NODES = 30  # of one block; what is beyond is text
MAX_TERMS = 12
MAX_CHARACTERS = 40
ARGUMENT = ex.Symbol("u")  # stands for an argument where only the function is printed


@dataclass(frozen=True)
class Past:
    """A value of an earlier block: of `sequence`, `lag` blocks back; None is too far back to be drawn."""

    sequence: str
    lag: int | None


Anchor = Literal["x[0]"]


@dataclass(frozen=True)
class Input:
    """What a node reads: a node of its own block by its number, or what came before, and what it is multiplied with."""

    source: int | Past | Anchor
    coefficient: Expression = ex.ONE


@dataclass(frozen=True)
class Node:
    """A value of a block, and the expression that it is called after."""

    kind: Kind
    expression: Expression
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Dataflow:
    """The nodes of block `n`, each after those it reads, and which of them holds the value of each sequence."""

    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]

    @property
    def history_depth(self) -> int:
        """For how many blocks a value is read beyond the state before the block; 1 where it is all of them."""
        depths = [0]
        for node in self.nodes:
            past = [part.source for part in node.inputs if isinstance(part.source, Past)]
            lags = [source.lag - (source.sequence == "x") for source in past if source.lag is not None]
            depths.append(max(lags, default=0) if len(lags) == len(past) else 1)
        return max(depths)

    def carried(self) -> list[str]:
        """The sequences that piece from block to block, each computed from its own past: the state, then others."""
        return ["x", *(name for name in self.outputs if name != "x" and self.reads(self.outputs[name], name))]

    def reads(self, number: int, sequence: str) -> bool:
        """Whether a node is computed, through others of its block, from the past of `sequence`."""
        sources = [part.source for part in self.nodes[number].inputs]
        return any(
            source.sequence == sequence
            if isinstance(source, Past)
            else isinstance(source, int) and self.reads(source, sequence)
            for source in sources
        )


def dataflow(recursion: BoundRecursion) -> Dataflow:
    """The graph of a block of `recursion`; whatever the formula, no error."""
    try:
        equations = lower(recursion).equations
    except InputError:  # it has a picture even where no program computes it yet
        equations = {name: recursion.equations[name] for name in evaluation_order(recursion.equations)}
    builder = _Builder()
    for name, equation in equations.items():
        value = builder.input(equation)
        if name in recursion.equations or not isinstance(value.source, int) or value.coefficient != ex.ONE:
            value = builder.node("state", ex.State(name, ex.BLOCK), [value])
        assert isinstance(value.source, int)
        builder.outputs[name] = value.source
    return Dataflow(tuple(builder.nodes), builder.outputs)


def label(node: Node, back: int) -> str:
    """The LaTeX that stands in the node, `back` blocks before block `n`."""
    match node.kind, node.expression:
        case "transform", ex.Transform(name, index, branch, _):
            return coefficient_label(ex.Transform(name, index, branch, ARGUMENT), back).removesuffix("(u)")
        case "operation", ex.Operation(name, _):
            return latex_expression(ex.Operation(name, ARGUMENT)).removesuffix("(u)")
        case "operation", ex.Slice(_, start, stop):
            return coefficient_label(ex.Slice(ARGUMENT, start, stop), back).removeprefix("u")
        case "operation", ex.Drop(_, rate):
            return r"\mathrm{drop} " + coefficient_label(rate, back)
        case "offset", constant:
            text = coefficient_label(constant, back)
            return text if text.startswith("-") else f"+{text}"
        case "complement", constant:
            return f"{coefficient_label(constant, back)} -"
        case (("state" | "text"), expression):
            return coefficient_label(expression, back)
        case "concat", _:
            return r"\mathrm{concat}"
    return ""


def coefficient_label(expression: Expression, back: int) -> str:
    """The LaTeX of `expression` as it reads `back` blocks before block `n`; its text where that is too long."""
    shifted = canonical(ex.shift(expression, -back)) if back else expression
    latex = latex_expression(shifted)
    if sum(len(piece.text) for piece in pieces(latex)) > MAX_CHARACTERS:
        return render_expression(shifted)[: MAX_CHARACTERS - 1].replace("_", r"\_") + "…"
    return re.sub(r"(?<=[{,])n(?=\})", f"n-{back}", latex) if back else latex


@dataclass
class _Builder:
    nodes: list[Node] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    known: dict[Expression, Input] = field(default_factory=dict)

    def node(self, kind: Kind, expression: Expression, inputs: list[Input]) -> Input:
        self.nodes.append(Node(kind, expression, tuple(inputs)))
        return Input(len(self.nodes) - 1)

    def input(self, expression: Expression) -> Input:
        """How a node reads the value of `expression`; a value that is written twice is drawn once."""
        if expression not in self.known:
            self.known[expression] = self.drawn(expression)
        return self.known[expression]

    def drawn(self, expression: Expression) -> Input:
        match expression:
            case ex.State(sequence, index):
                return self.state(sequence, index)
            case _ if len(self.nodes) >= MAX_NODES or ex.is_scalar(expression):
                return self.text(expression)
            case ex.Transform(_, ex.Index("n"), _, argument):
                return self.node("transform", expression, [self.input(argument)])
            case ex.Operation(_, argument) | ex.Slice(argument, _, _) | ex.Drop(argument, _):
                return self.node("operation", expression, [self.input(argument)])
            case ex.Concat(parts) if len(parts) <= MAX_TERMS:
                return self.node("concat", expression, list(map(self.input, parts)))
            case ex.Multiply(factors):
                return self.product(factors)
            case ex.Add(terms):
                return self.sum(terms)
            case ex.Sum(kind="sum" | "concat" as kind) if latest := _latest_terms(expression):
                oldest = next(part for part in ex.walk(expression.body) if isinstance(part, ex.State))
                return self.node(kind, expression, [*map(self.input, latest), Input(Past(oldest.sequence, None))])
        return self.text(expression)

    def state(self, sequence: str, index: Expression) -> Input:
        if index == ex.ZERO:
            return Input("x[0]")
        distance = lag(index)
        if distance == 0:
            return Input(self.outputs[sequence])
        return Input(Past(sequence, distance if distance is not None and 0 < distance <= MAX_LAG else None))

    def product(self, factors: tuple[Expression, ...]) -> Input:
        coefficient = multiply([ex.ONE, *filter(ex.is_scalar, factors)])
        inputs = [self.input(factor) for factor in factors if not ex.is_scalar(factor)]
        if len(inputs) > 1:
            return Input(self.node("product", ex.Multiply(factors), inputs).source, coefficient)
        return Input(inputs[0].source, canonical(multiply([coefficient, inputs[0].coefficient])))

    def sum(self, terms: tuple[Expression, ...]) -> Input:
        constants = [term for term in terms if ex.is_scalar(term)]
        states = [term for term in terms if not ex.is_scalar(term)]
        inputs = list(map(self.input, states[:MAX_TERMS]))
        if rest := states[MAX_TERMS:]:
            inputs.append(self.text(add(rest)))
        total = inputs[0] if len(inputs) == 1 else self.node("sum", ex.Add(terms), inputs)
        if not constants:
            return total
        if total.coefficient == ex.MINUS_ONE:
            return self.node("complement", add(constants), [Input(total.source)])
        return self.node("offset", add(constants), [total])

    def text(self, expression: Expression) -> Input:
        reads = dict.fromkeys(self.state(state.sequence, state.index) for state in _states(expression))
        return self.node("text", expression, list(reads))


def _states(expression: Expression) -> Iterator[ex.State]:
    """The states in `expression`, those of a sum over all history as far as a picture can show them, and one beyond."""
    if isinstance(expression, ex.State):
        yield expression
    elif isinstance(expression, ex.Sum):
        for step in range(1, MAX_LAG + 2):
            yield from _states(canonical(ex.substitute(expression.body, expression.variable, ex.number(step))))
    else:
        for part in ex.children(expression):
            yield from _states(part)


def _latest_terms(total: ex.Sum) -> list[Expression]:
    """The terms of a sum over all history that a picture can show; none where it sums more than scaled states."""
    rest = [part for part in ex.walk(total.body) if not ex.is_scalar(part)]
    if lag(total.high) is None or not all(isinstance(part, ex.State | ex.Multiply) for part in rest):
        return []
    terms = [canonical(ex.substitute(total.body, total.variable, ex.number(step))) for step in range(1, MAX_LAG + 1)]
    states = [part for term in terms for part in ex.walk(term) if isinstance(part, ex.State)]
    drawn = len(states) == len(terms) and all((lag(state.index) or 0) > 0 for state in states)
    return [term for term, state in zip(terms, states, strict=True) if lag(state.index)] if drawn else []
