"""The lines of a block as statements that a person would write: parts in place, names that say what they hold."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from math import copysign
from typing import assert_never

from formulanas.architecture.lines import (
    BatchSize,
    Bring,
    Call,
    Elementwise,
    Join,
    JointCall,
    Line,
    Operation,
    Product,
    Slice,
    Variable,
    WeightedSum,
)

FUNCTIONS = {
    "relu": "torch.relu",
    "sigmoid": "torch.sigmoid",
    "tanh": "torch.tanh",
    "silu": "functional.silu",
    "gelu": "functional.gelu",
}
LINE_LENGTH = 88  # of a statement that is put together from parts
RESERVED = {"self", "torch", "nn", "functional", "block", "images", "batch", "Tensor"}
ANY, TERM, FACTOR, ATOM = range(4)  # what stands without brackets: anything, no sum, a product, neither


@dataclass(frozen=True)
class Expression:
    """An operation on expressions; `numbers` are its coefficients and bounds as they are written."""

    operation: Operation
    inputs: tuple["Expression | Variable", ...]
    numbers: tuple[str, ...]
    item: int | None = None  # of its values, where it has several

    def variables(self) -> list[str]:
        """The variables that it reads, as often as it reads them."""
        parts = (each.variables() if isinstance(each, Expression) else [each.name] for each in self.inputs)
        return [name for part in parts for name in part]

    def modules(self) -> list[str]:
        """The modules that it calls."""
        own = [self.operation.module] if isinstance(self.operation, Call) else []
        return own + [name for each in self.inputs if isinstance(each, Expression) for name in each.modules()]

    def with_value(self, target: str, value: "Expression") -> "Expression":
        """The expression with `value` in the place of the variable `target`."""

        def changed(part: "Expression | Variable") -> "Expression | Variable":
            if isinstance(part, Expression):
                return part.with_value(target, value)
            return replace(value, item=part.item) if part.name == target else part

        return replace(self, inputs=tuple(map(changed, self.inputs)))


def magnitudes(operation: Operation) -> tuple[int | float, ...]:
    """The numbers of an operation that are written, without their signs."""
    match operation:
        case WeightedSum(coefficients, _, constant):
            return (*(abs(each) for each in coefficients if abs(each) != 1), *([abs(constant)] if constant else []))
        case Slice(start, stop):
            return tuple(abs(each) for each in (start, stop) if each is not None)
    return ()


def without_values(operation: Operation) -> Operation:
    """An operation without the names of variables, and without its numbers but for their signs."""
    inputs = tuple(Variable("", variable.item) for variable in operation.inputs)
    match operation:
        case WeightedSum(coefficients, _, constant):
            kinds = tuple(copysign(1 if abs(each) == 1 else 2, each) for each in coefficients)
            return WeightedSum(kinds, inputs, copysign(1, constant) if constant else 0.0)
        case Slice(start, stop):
            first, last = (None if each is None else -1 if each < 0 else 1 for each in (start, stop))
            return Slice(first, last, inputs)
    return replace(operation, inputs=inputs)  # type: ignore[arg-type]


Statement = tuple[str, Expression]  # a variable of the plan, and its value


def statements(lines: Sequence[Line], numbers: Iterator[str], kept: Collection[str]) -> list[Statement]:
    """The lines with each value that is read once written where it is read, unless it is one of `kept`.

    A module that is called twice stays where it is called: its running statistics depend on the order. `numbers` are
    those of the operations as they are written.
    """
    found: dict[str, Expression] = {}
    for line in lines:
        written = tuple(next(numbers) for _ in magnitudes(line.operation))
        found[line.target] = Expression(line.operation, line.operation.inputs, written)
    calls = Counter(name for value in found.values() for name in value.modules())
    for target in [*found]:
        value = found[target]
        reads = [reader for reader, other in found.items() for name in other.variables() if name == target]
        if target in kept or len(reads) != 1 or any(calls[name] > 1 for name in value.modules()):
            continue
        whole = found[reads[0]].with_value(target, value)
        if len(render(whole, {})) <= LINE_LENGTH:
            found[reads[0]] = whole
            del found[target]
    return [*found.items()]


def named(
    values: Sequence[Statement], given: Mapping[str, str], wanted: Callable[[str], str], kept: Collection[str]
) -> tuple[list[tuple[str, list[str]]], dict[str, str]]:
    """The statements as names and the terms of their values, and the names of all variables.

    `given` are the names of what is there before; `wanted` the best name for a variable; `kept` are read afterwards.
    """
    names = dict(given)
    lines: list[tuple[str, list[str]]] = []
    for place, (target, value) in enumerate(values):
        later = {name for _, after in values[place + 1 :] for name in after.variables()} | {*kept}
        taken = {names[name] for name in later if name in names} | RESERVED
        terms = _terms(value, names) if isinstance(value.operation, WeightedSum) else [render(value, names)]
        names[target] = fresh(wanted(target), taken)
        lines.append((names[target], terms))
    return lines, names


def fresh(name: str, taken: Collection[str]) -> str:
    """A name that is not taken: f, new_f, f_2."""
    names = chain([name, f"new_{name}"], (f"{name}_{number}" for number in count(2)))
    return next(each for each in names if each not in taken)


def render(value: Expression | Variable, names: Mapping[str, str], place: int = ANY) -> str:
    """An expression as code, in brackets where its `place` needs them."""
    if isinstance(value, Variable):
        name = names.get(value.name, value.name)
        return name if value.item is None else f"{name}[{value.item}]"
    if value.item is not None:
        return f"{render(replace(value, item=None), names, ATOM)}[{value.item}]"
    inputs = value.inputs
    match value.operation:
        case Call(module):
            return f"self.{module}({', '.join(render(each, names) for each in inputs)})"
        case WeightedSum():
            text = " ".join(_terms(value, names))
            alone = len(inputs) == 1 and not value.operation.constant and value.operation.coefficients[0] > 0
            return text if place <= (FACTOR if alone else ANY) else f"({text})"
        case Product():
            text = " * ".join(render(each, names, ATOM if at else FACTOR) for at, each in enumerate(inputs))
            return text if place <= FACTOR else f"({text})"
        case Elementwise("identity"):
            return render(inputs[0], names, place)
        case Elementwise(function):
            return f"{FUNCTIONS[function]}({render(inputs[0], names)})"
        case Join():
            return f"torch.cat(({', '.join(render(each, names) for each in inputs)}), 1)"
        case Slice(start, stop):
            numbers = iter(value.numbers)
            bounds = ["" if each is None else ("-" if each < 0 else "") + next(numbers) for each in (start, stop)]
            apart = any("." in each for each in bounds)  # as formatters write a colon beside an attribute
            text = " : ".join(bounds) if apart else ":".join(bounds)
            return f"{render(inputs[0], names, ATOM)}[:, {text.strip()}]"
        case BatchSize():
            return f"len({render(inputs[0], names)})"
        case JointCall() | Bring():
            raise AssertionError("a plan that is not rewritten has none")
        case _:
            assert_never(value.operation)


def _terms(value: Expression, names: Mapping[str, str]) -> list[str]:
    """The terms of a sum, each with its sign."""
    assert isinstance(value.operation, WeightedSum)
    numbers = iter(value.numbers)
    terms: list[str] = []
    for coefficient, part in zip(value.operation.coefficients, value.inputs, strict=True):
        is_plain = abs(coefficient) == 1
        sign = ("- " if coefficient < 0 else "+ ") if terms else ("-" if coefficient < 0 else "")
        place = ATOM if not is_plain or sign == "-" else TERM if terms else ANY
        terms.append(sign + ("" if is_plain else f"{next(numbers)} * ") + render(part, names, place))
    constant = value.operation.constant
    if constant > 0 and len(terms) == 1 and value.operation.coefficients[0] < 0:
        return [next(numbers), f"- {terms[0].removeprefix('-')}"]  # 1 - t for -t + 1
    return [*terms, f"{'-' if constant < 0 else '+'} {next(numbers)}"] if constant else terms
