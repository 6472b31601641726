"""The blocks of a network as classes: blocks whose lines are the same up to names and numbers share one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from formulanas.architecture.lines import Line
from formulanas.export.template import Skeleton, Slot, Template, skeleton
from formulanas.export.trace import RUNNING_SUMS, Trace, code_of, name_parts

TOKEN = re.compile(r"self\.(?P<module>\w+)|\b(?P<variable>v\d+|batch)\b|(?P<number>\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b)")


@dataclass(frozen=True)
class Block:
    """One block of the forward pass: its number from 1, its stage, and its lines."""

    number: int
    stage: int
    lines: tuple[Line, ...]
    modules: Mapping[str, str]  # the local name of each module that it calls, by its name in the plan
    made: tuple[Skeleton, ...]  # how each is made, but for its numbers

    @cached_property
    def skeleton(self) -> tuple[str, ...]:
        """Its lines without names of variables and numbers, with the local names of modules."""
        return tuple(TOKEN.sub(self._token, code_of(line)) for line in self.lines)

    def _token(self, match: re.Match[str]) -> str:
        return f"self.{self.modules[match['module']]}" if match["module"] else "_" if match["variable"] else "0"

    @cached_property
    def reads(self) -> list[str]:
        """Every place where its lines read a variable."""
        return [
            match["variable"] for line in self.lines for match in TOKEN.finditer(code_of(line)) if match["variable"]
        ]

    @cached_property
    def numbers(self) -> tuple[Slot, ...]:
        """Every number that its lines have."""
        texts = [match["number"] for line in self.lines for match in TOKEN.finditer(code_of(line)) if match["number"]]
        return tuple(Slot(_number(text), "width" if text.isdigit() else "coefficient") for text in texts)

    @property
    def inputs(self) -> list[str]:
        """The variables of earlier blocks that it reads, in their order."""
        own = {line.target for line in self.lines}
        return list(dict.fromkeys(name for name in self.reads if name not in own))


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def blocks_of(trace: Trace, stages: Sequence[int], calls: Mapping[str, Template]) -> list[Block]:
    """The blocks of a forward pass, the modules of each under short names: F, carry_x, norm."""
    found = []
    for number, lines in enumerate(trace.blocks[1:], 1):
        called = list(dict.fromkeys(line.module for line in lines if line.module))
        made = tuple(skeleton(calls[module]) for module in called)
        found.append(Block(number, stages[number - 1], lines, _local_names(called), made))
    return found


def _local_names(modules: list[str]) -> dict[str, str]:
    labels = {module: name_parts(module)[2] for module in modules}
    short = {module: re.sub(r"(?<=[a-z])1$", "", label) for module, label in labels.items()}
    clash = any(
        f"{short[module]}2" in labels.values() or [*short.values()].count(short[module]) > 1 for module in modules
    )
    return labels if clash else short


@dataclass
class BlockClass:
    """Blocks of the same code. `members` have, for each variable of the first one, their own."""

    template: Block
    members: dict[int, dict[str, str]]
    blocks: list[Block] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)  # variables of the template that later blocks read


def classes_of(blocks: Sequence[Block]) -> list[BlockClass]:
    """The blocks by classes, in the order of their first blocks.

    A block that reads one value where others read two is of their class: at the start, x[n-1] is x[0].
    """
    classes: list[BlockClass] = []
    for block in blocks:
        for each in classes:
            if (mapping := _match(each.template, block)) is not None:
                each.members[block.number] = mapping
                each.blocks.append(block)
                break
            mappings = [_match(block, other) for other in each.blocks]
            if all(found is not None for found in mappings):
                each.template = block
                each.blocks.append(block)
                pairs = zip(each.blocks, [*mappings, _match(block, block)], strict=True)
                each.members = {other.number: found for other, found in pairs if found is not None}
                break
        else:
            identity = {name: name for name in [*block.inputs, *(line.target for line in block.lines)]}
            classes.append(BlockClass(block, {block.number: identity}, [block]))
    return classes


def _match(template: Block, block: Block) -> dict[str, str] | None:
    """For each variable of `template` that of `block`, if its lines are those of `template`."""
    if template.skeleton != block.skeleton or template.made != block.made:
        return None
    mapping = {ours.target: theirs.target for ours, theirs in zip(template.lines, block.lines, strict=True)}
    own = {line.target for line in block.lines}
    inputs = set(template.inputs)
    for ours, theirs in zip(template.reads, block.reads, strict=True):
        if (ours in inputs and theirs in own) or mapping.setdefault(ours, theirs) != theirs:
            return None
    return mapping


def find_outputs(classes: Sequence[BlockClass], trace: Trace, blocks: Sequence[Block]) -> None:
    """Notes for each class what any of its blocks hands on, the state x first."""
    for each in classes:
        own = [line.target for line in each.template.lines]
        found = []
        for name in own:
            if any(each.members[block.number][name] in trace.live(block.number) for block in each.blocks):
                found.append(name)
        states = trace.states
        each.outputs = sorted(found, key=lambda name: (states[name].sequence != "x", -states[name].block))


def share_names(classes: Sequence[BlockClass], trace: Trace) -> Trace:
    """The trace with one name for what plays one part in several blocks, a running sum where it is one anywhere."""
    groups: dict[str, set[str]] = {name: {name} for name in trace.unnamed}
    for each in classes:
        for name in [*each.template.inputs, *each.outputs]:
            members = {mapping[name] for mapping in each.members.values()} & trace.unnamed
            whole = set().union(*(groups[member] for member in members))
            groups |= dict.fromkeys(whole, whole)
    states = dict(trace.states)
    for name, group in groups.items():
        roots = [trace.states[member].sequence for member in group]
        sums = [root for root in roots if root in RUNNING_SUMS]
        states[name] = replace(states[name], sequence=min(sums or roots))
    return replace(trace, states=states)
