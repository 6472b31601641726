"""The forward pass of a plan as Python, the one text that is made of it; every operation is one of a closed set."""

from collections.abc import Sequence
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


def source(lines: Sequence[Line]) -> str:
    """The forward pass: each variable is deleted after the last line that reads it."""
    last_use = {name: number for number, line in enumerate(lines) for name in line.inputs}
    text = ["def forward(self, x):"]
    for number, line in enumerate(lines[:-1]):
        text.append(f"    {', '.join(line.targets)} = {render_operation(line.operation)}")
        done = [name for name in dict.fromkeys(line.inputs) if last_use[name] == number and name not in line.targets]
        if done:
            text.append(f"    del {', '.join(done)}")
    return "\n".join([*text, f"    return {render_operation(lines[-1].operation)}"]) + "\n"


def render_operation(operation: Operation) -> str:
    """One operation as an expression."""
    names = [render_variable(variable) for variable in operation.inputs]
    match operation:
        case Call(module):
            return f"self.{module}({', '.join(names)})"
        case JointCall(function, modules):
            return f"{function}({', '.join([*names, *(f'self.{module}' for module in modules)])})"
        case WeightedSum(coefficients, _, constant):
            return _render_sum(coefficients, names, constant)
        case Product():
            return " * ".join(names)
        case Elementwise(function):
            return f"{function}({names[0]})"
        case Join():
            return f"cat(({', '.join(names)}), 1)"
        case Slice(start, stop):
            return f"{names[0]}[:, {'' if start is None else start}:{'' if stop is None else stop}]"
        case BatchSize():
            return f"{names[0]}.shape[0]"
        case Bring():
            return f"{names[0]}.to({names[1]}.device, non_blocking=True)"
        case _:
            assert_never(operation)


def render_variable(variable: Variable) -> str:
    """A variable, or an item of one, as an expression."""
    return variable.name if variable.item is None else f"{variable.name}[{variable.item}]"


def _render_sum(coefficients: Sequence[float], names: Sequence[str], constant: float) -> str:
    text = ""
    for coefficient, name in zip(coefficients, names, strict=True):
        factor = "" if abs(coefficient) == 1 else f"{abs(coefficient)!r} * "
        sign = ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
        text += f"{sign}{factor}{name}"
    return text + (f" {'-' if constant < 0 else '+'} {abs(constant)!r}" if constant else "")
