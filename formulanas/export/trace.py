"""The forward pass of a plan by blocks: which block computes each line, and which state a variable holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.lines import Line
from formulanas.architecture.planner import BATCH
from formulanas.architecture.source import render_operation
from formulanas.formula.expressions import Expression

RUNNING_SUMS = ("s", "total")  # what a sum over the whole history is called, which has no name in the formula


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
    """The lines of the plan by block, in their order."""
    plan, equations = architecture.plan, architecture.recursion.equations
    states: dict[str, State] = {BATCH.name: State(BATCH.name, 0)}
    for (sequence, block), variable in plan.states.items():
        if sequence in equations and block:
            states.setdefault(variable.name, State(sequence, block))
    others: dict[str, State] = {}  # of what is no state of the formula: what computed it
    blocks: list[list[Line]] = [[] for _ in range(len(architecture.backbone.stages) + 1)]
    *lines, head = plan.lines
    for line in lines:
        blocks[line.block].append(line)
        role = plan.roles[line.module] if line.module else None
        if line.target in states:
            continue
        known = states.get(line.inputs[0]) or others.get(line.inputs[0]) if line.inputs else None
        if role is not None and role.kind == "stem":
            states[line.target] = State("x", 0)
        elif role is not None and role.kind == "carry" and known is not None:
            states[line.target] = known
        elif role is not None and role.kind == "shared norm" and known is not None:
            others[line.target] = known
        else:
            label = name_parts(line.module)[2] if line.module else ""
            others[line.target] = State(_root(label, equations), line.block)
    return Trace(tuple(map(tuple, blocks)), head, {**others, **states}, frozenset(others) - {*states})


def code_of(line: Line) -> str:
    """What a line computes, as code."""
    return render_operation(line.operation)


def name_parts(module: str) -> tuple[int, int, str]:
    """The stage, the place in it and the label of a module's name; 0 where it tells none: stage2_block1_F, stem."""
    match = re.fullmatch(r"stage(\d+)_(?:block(\d+)_)?(\w+)", module)
    return (int(match[1]), int(match[2] or 0), match[3]) if match else (0, 0, module)


def _root(label: str, sequences: Mapping[str, Expression]) -> str:
    """A name for the value of a module, or for a running sum, which has no name in the formula."""
    if not label:
        return next(name for name in RUNNING_SUMS if name not in sequences)
    name = re.sub(r"1$", "", label.lower())
    return name if name not in sequences else f"new_{name}"
