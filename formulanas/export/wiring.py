"""How a network passes states from block to block: the names of what is alive between two blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from formulanas.architecture.architecture import Architecture
from formulanas.export.blocks import Block, BlockClass
from formulanas.export.trace import State, Trace


class UnclearNamesError(Exception):
    """Two values want one name between blocks, so that the forward pass is written without classes."""


@dataclass(frozen=True)
class Names:
    """What states are called: x, or x1 and x2 where several of one sequence are alive; x0 is the anchor."""

    trace: Trace
    architecture: Architecture

    def root(self, variable: str) -> str:
        """The name of the sequence that a variable holds."""
        return self.trace.states[variable].sequence

    def is_anchor(self, state: State, block: int) -> bool:
        """Whether block `block` reads `state` as what came first, not as what came last."""
        recursion, stages = self.architecture.recursion, self.architecture.backbone.stages
        resets = recursion.policy("shape", state.sequence) == "reset"
        first = stages.index(stages[min(block, len(stages)) - 1]) if resets else 0
        return recursion.reads_anchor and state == State("x", first) and block > first + 1

    @cached_property
    def several(self) -> set[str]:
        """The sequences of which several values are alive at once."""
        found = set()
        for number in range(len(self.trace.blocks)):
            roots = [
                self.root(name)
                for name in self.trace.live(number)
                if not self.is_anchor(self.trace.states[name], number + 1)
            ]
            found |= {root for root in roots if roots.count(root) > 1}
        return found

    def before(self, block: int, variable: str) -> str:
        """The name of a variable before block `block`."""
        state = self.trace.states[variable]
        if self.is_anchor(state, block):
            return "x0"
        return f"{state.sequence}{max(1, block - state.block)}" if state.sequence in self.several else state.sequence


def parameters_of(each: BlockClass, names: Names) -> dict[str, str]:
    """The inputs of a class by the variables of its template, the state x first."""
    number = each.template.number
    found = {variable: names.before(number, variable) for variable in each.template.inputs}
    if len(set(found.values())) < len(found):
        raise UnclearNamesError
    return dict(sorted(found.items(), key=lambda item: (item[1][0] != "x", item[1])))


def forward_of(blocks: Sequence[Block], classes: Sequence[BlockClass], names: Names) -> list[tuple[Block | None, str]]:
    """The statements between stem and head: those that call a block, as `x = block(x)`, and moves between them."""
    trace, several = names.trace, names.several
    of = {block.number: each for each in classes for block in each.blocks}
    inputs = {id(each): parameters_of(each, names) for each in classes}
    live = {number: trace.live(number) for number in range(len(blocks) + 1)}

    def environment(number: int) -> dict[str, str]:
        """The variable behind each name before block `number`."""
        found: dict[str, str] = {}
        if number <= len(blocks):
            members = of[number].members[number]
            found = {name: members[variable] for variable, name in inputs[id(of[number])].items()}
        for variable in live[number - 1]:
            if variable not in found.values():
                name = names.before(number, variable)
                if name in found:
                    raise UnclearNamesError
                found[name] = variable
        return found

    now = environment(1)
    lines: list[tuple[Block | None, str]] = []
    first = [name for name in now if now[name] == "batch"] + [name for name in now if now[name] != "batch"]
    stem = [name for name in first if name != "batch"]
    lines.append((None, " = ".join([*stem, "self.stem(images)"]) if stem else "self.stem(images)"))
    for block in blocks:
        each, following = of[block.number], environment(block.number + 1)
        members = each.members[block.number]
        bound: list[str] = []
        extra: list[tuple[str, str]] = []
        for output in each.outputs:
            wanted = [name for name, variable in following.items() if variable == members[output]]
            spare = names.before(each.template.number + 1, output)
            bound.append(wanted[0] if wanted else spare if spare not in {*following, *now} | {*bound} else "_")
            extra += [(name, wanted[0]) for name in wanted[1:]]
            if not wanted and spare in now and spare not in following and spare not in bound:
                bound[-1] = spare  # the value before it is read no more
        moved = []
        for root in several:  # the states of a history move on together, also where the last are read no more
            for back in range(2, len(now) + 1):
                if {f"{root}{back}", f"{root}{back - 1}"} <= {*now}:
                    following.setdefault(f"{root}{back}", now[f"{root}{back - 1}"])
        for name, variable in following.items():
            older = f"{name[:-1]}{int(name[-1]) - 1}" if name[-1:].isdigit() else ""
            if variable in {members[output] for output in each.outputs}:
                continue
            if now.get(name) == variable and now.get(older) != variable:
                continue
            source = next((old for old in (older, *now) if now.get(old) == variable), None)
            if source is None:
                raise UnclearNamesError
            moved.append((name, source))
        arguments = ", ".join(inputs[id(each)].values())
        targets = ", ".join(bound)
        call = f"block({arguments})"
        if moved:
            left = f"({targets})" if len(bound) > 1 else targets
            names_moved = ", ".join(name for name, _ in moved)
            lines.append((block, f"{left}, {names_moved} = {call}, {', '.join(source for _, source in moved)}"))
        else:
            lines.append((block, f"{targets} = {call}"))
        lines += [(None, f"{name} = {source}") for name, source in extra]
        now = following
    return lines
