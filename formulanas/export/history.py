"""The blocks of a plan, and what its variables hold: which state each is, and until which block it is read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.lines import Line
from formulanas.architecture.planner import BATCH
from formulanas.export.statements import fresh
from formulanas.formula.program import Program, lower


class State(NamedTuple):
    """A sequence of the program, and the block after which it has the value."""

    sequence: str
    block: int


class Lag(NamedTuple):
    """A state as a block sees it: a sequence so many blocks back; 0 for the anchor x[0]."""

    sequence: str
    distance: int


@dataclass(frozen=True)
class History:
    """`blocks` are the lines of each block; block 0 is the stem, and the last one the head.

    `held` has states, the variables that hold them, and the blocks that make these; a later one, in another shape,
    takes the place of an earlier one.
    """

    architecture: Architecture
    program: Program
    blocks: tuple[tuple[Line, ...], ...]
    held: tuple[tuple[State, str, int], ...] = ()

    @property
    def num_blocks(self) -> int:
        """The number of blocks between stem and head."""
        return len(self.architecture.backbone.stages)

    @property
    def head(self) -> str:
        """The variable that the head reads."""
        return self.blocks[-1][-1].inputs[0]

    @cached_property
    def _states(self) -> Mapping[str, Sequence[State]]:
        found = defaultdict(list)
        for state, variable, _ in self.held:
            found[variable].append(state)
        return {name: sorted(states, key=lambda state: state.sequence != "x") for name, states in found.items()}

    def states(self, variable: str) -> Sequence[State]:
        """The states that a variable holds, x first."""
        return self._states.get(variable, ())

    @cached_property
    def _holders(self) -> Mapping[State, Sequence[tuple[int, str]]]:
        found = defaultdict(list)
        for state, variable, block in self.held:
            found[state].append((block, variable))
        return found

    def holder(self, state: State, block: int) -> str | None:
        """The variable that holds `state` before `block`."""
        if state.block < 0 and self.is_copied(state.sequence):
            state = State(state.sequence, 0)
        made = [variable for number, variable in self._holders.get(state, ()) if number < block]
        return made[-1] if made else None

    def is_copied(self, sequence: str) -> bool:
        """Whether a sequence is the output of the stem before the first block."""
        return self.program.policies[sequence][0] == "copy" and sequence not in self.program.sums

    def anchor(self, block: int) -> State:
        """The state that `block` reads as x[0]: that of the stem, or what enters the stage."""
        stages = self.architecture.backbone.stages
        resets = self.program.policies["x"][1] == "reset"
        return State("x", stages.index(stages[min(block, len(stages)) - 1]) if resets else 0)

    def lag(self, variable: str, block: int, sequence: str = "") -> Lag:
        """What a variable is to `block`, as `sequence` if it holds states of several."""
        found = []
        for state in self.states(variable):
            distance, depth = block - state.block, self.program.history.get(state.sequence)
            is_known = depth is not None and distance <= depth
            if state == self.anchor(block) and self.architecture.recursion.reads_anchor and not is_known:
                distance = 0
            if sequence in ("", state.sequence):
                found.append((depth is not None and not is_known, distance, Lag(state.sequence, distance)))
        return min(found, key=lambda each: each[:2])[2]

    @cached_property
    def _last_read(self) -> Mapping[str, int]:
        return {name: number for number, lines in enumerate(self.blocks) for line in lines for name in line.inputs}

    def is_live(self, variable: str, block: int) -> bool:
        """Whether a variable is read after `block`."""
        return self._last_read.get(variable, 0) > block

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What each sequence is called: a cached F is f, and a running sum, which has no name in the formula, s."""
        found = {name: name for name in self.architecture.recursion.equations}
        for sequence in [*self.program.equations, *(state.sequence for state, _, _ in self.held)]:
            if sequence not in found:
                base = "s" if sequence in self.program.sums else sequence.rstrip("0123456789")
                found[sequence] = fresh(base, found.values())
        return found


def history(architecture: Architecture) -> History:
    """The history of the plan of `architecture`."""
    plan, program = architecture.plan, lower(architecture.recursion)
    blocks: list[list[Line]] = [[] for _ in range(len(architecture.backbone.stages) + 2)]
    for line in plan.lines:
        blocks[line.block].append(line)
    found = History(architecture, program, tuple(map(tuple, blocks)))
    made = {line.target: line.block for line in plan.lines}
    states = {State(*at): variable.name for at, variable in plan.states.items()}
    states |= {State(name, 0): states[State("x", 0)] for name in program.equations if found.is_copied(name)}
    held = [(state, variable, made[variable]) for state, variable in states.items()]
    known: dict[str, list[State]] = defaultdict(list)
    for state, variable in states.items():
        known[variable].append(state)
    for line in plan.lines:
        role, target = plan.roles[line.module] if line.module else None, line.target
        if role is not None and role.kind == "carry":
            known[target] = [state for state in known[line.inputs[0]] if state.sequence == role.name]
            held += [(state, target, line.block) for state in known[target]]
        elif not known[target] and target != BATCH.name:
            if role is not None and role.kind == "shared norm":
                known[target] = known[line.inputs[0]]
            if found.is_live(target, line.block):  # a part that several blocks share
                label = role.kind.split()[-1] if role is not None else "part"
                held.append((State(label, line.block), target, line.block))
    return replace(found, held=tuple(held))
