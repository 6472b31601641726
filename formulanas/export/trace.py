"""The forward pass of a plan by blocks: which block computes each line, and which state a variable holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.planner import Line
from formulanas.formula import expressions as ex
from formulanas.formula.expressions import Expression

MARK = "state_"  # `v7 = state_x(v6)` says that v6 is x[n], and ends the equation of x in its block
RUNNING_SUMS = ("s", "total")  # what a sum over the whole history is called, which has no name in the formula
VARIABLE = re.compile(r"\b(?:v\d+|batch)\b")


@dataclass(frozen=True)
class State:
    """A sequence, and the block after which it has the value."""

    sequence: str
    block: int


@dataclass(frozen=True)
class Trace:
    """Lines by block: those of block 0 come before the first, `head` after the last; what variables hold."""

    blocks: tuple[tuple[Line, ...], ...]
    head: Line
    states: Mapping[str, State]
    unnamed: frozenset[str]  # those that hold no state of the formula, but a part that later blocks may read

    @cached_property
    def _alive(self) -> list[list[str]]:
        last = {
            name: number for number, lines in enumerate(self.blocks) for line in lines for name in line.inputs
        } | dict.fromkeys(self.head.inputs, len(self.blocks))
        found: list[list[str]] = []
        known: list[str] = []
        for number, lines in enumerate(self.blocks):
            known = [name for name in [*known, *(line.target for line in lines)] if last.get(name, 0) > number]
            found.append(known)
        return found

    def live(self, block: int) -> list[str]:
        """The variables that are computed up to `block` and read after it, in the order of their computation."""
        return self._alive[block]


def trace(architecture: Architecture) -> Trace:
    """The lines of the plan by block, in their order.

    The plan is made once more with a mark at the end of each equation; the marks are taken out again.
    """
    recursion = architecture.recursion
    marked = {
        name: equation if isinstance(equation, ex.Transform) else ex.Operation(MARK + name, equation)
        for name, equation in recursion.equations.items()  # of a call alone, the module's name tells the block
    }
    plan = replace(architecture, recursion=replace(recursion, equations=marked)).plan
    stages = architecture.backbone.stages
    last_call = _called(recursion.equations["x"])
    names: dict[str, str] = {}  # of the variables after a mark, those before it
    states: dict[str, State] = {}
    others: dict[str, State] = {}  # of what is no state of the formula: what computed it
    blocks: list[list[Line]] = [[] for _ in range(len(stages) + 1)]
    current = 0
    for line in plan.lines:
        inputs = tuple(names.get(name, name) for name in line.inputs)
        if line.code.startswith(MARK):
            sequence = line.code.removeprefix(MARK).partition("(")[0]
            names[line.target] = inputs[0]
            states.setdefault(inputs[0], State(sequence, current))
            current = min(current + (sequence == "x"), len(stages))
            continue
        stage, place, label = name_parts(line.module or "")
        if stage:
            first = stages.index(stage) + 1
            current = first + place - 1 if place else max(current, first)
        code = VARIABLE.sub(lambda match: names.get(match[0], match[0]), line.code)
        blocks[current].append(replace(line, code=code, inputs=inputs))
        if label == "stem" or line.target == "batch":
            states[line.target] = State("x" if line.module else "batch", 0)
        elif label.startswith("carry_") and (state := states.get(inputs[0]) or others.get(inputs[0])):
            states[line.target] = state
        elif stage and not place and inputs[0] in states:  # a norm that the block's transforms and shortcut share
            others[line.target] = states[inputs[0]]
        else:
            others[line.target] = State(_root(label, recursion.equations), current)
        if last_call and label == last_call:
            states[line.target] = State("x", current)
        if label == "stem" or (last_call and label == last_call):
            current = min(current + 1, len(stages))
    *_, head = blocks[-1]
    blocks[-1].remove(head)
    return Trace(tuple(map(tuple, blocks)), head, {**others, **states}, frozenset(others) - {*states})


def name_parts(module: str) -> tuple[int, int, str]:
    """The stage, the place in it and the label of a module's name; 0 where it tells none: stage2_block1_F, stem."""
    match = re.fullmatch(r"stage(\d+)_(?:block(\d+)_)?(\w+)", module)
    return (int(match[1]), int(match[2] or 0), match[3]) if match else (0, 0, module)


def _called(equation: Expression) -> str:
    """The label of the transform that alone is the equation, if one is."""
    if isinstance(equation, ex.Transform) and isinstance(equation.branch, ex.Number):
        return equation.name + ("" if equation.branch == ex.ONE else str(equation.branch.value))
    return ""


def _root(label: str, sequences: Mapping[str, Expression]) -> str:
    """A name for the value of a module, or for a running sum, which has no name in the formula."""
    if not label:
        return next(name for name in RUNNING_SUMS if name not in sequences)
    name = re.sub(r"1$", "", label.lower())
    return name if name not in sequences else f"new_{name}"
