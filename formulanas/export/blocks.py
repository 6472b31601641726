"""The blocks of a network as classes: blocks whose lines are the same up to variables and numbers share one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from formulanas.architecture.lines import Call, Line, Operation
from formulanas.export.history import History
from formulanas.export.statements import without_values
from formulanas.export.template import Skeleton, Template, skeleton


@dataclass(frozen=True)
class Block:
    """One block of the forward pass: its number from 1, its stage, and its lines, which call modules by `modules`."""

    number: int
    stage: int
    lines: tuple[Line, ...]
    modules: Mapping[str, str]  # the name in the plan of each module, by the local one
    made: tuple[Skeleton, ...]  # how each is made, but for its numbers

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """What its lines compute, without the names of variables and the values of numbers."""
        return tuple(without_values(line.operation) for line in self.lines)

    @cached_property
    def reads(self) -> list[str]:
        """Every place where its lines read a variable."""
        return [name for line in self.lines for name in line.inputs]

    @cached_property
    def targets(self) -> list[str]:
        """The variables that it makes."""
        return [line.target for line in self.lines]

    @property
    def inputs(self) -> list[str]:
        """The variables of earlier blocks that it reads, in their order."""
        return [name for name in dict.fromkeys(self.reads) if name not in self.targets]


def blocks_of(found: History, calls: Mapping[str, Template]) -> list[Block]:
    """The blocks that compute anything, the modules of each under short names: F, carry_x, norm."""
    blocks = []
    for number, stage in enumerate(found.architecture.backbone.stages, 1):
        lines = found.blocks[number]
        local = local_names(found, lines)
        renamed = tuple(with_names(line, local) for line in lines)
        modules = {name: module for module, name in local.items()}
        made = tuple(skeleton(calls[module]) for module in local)
        if lines:
            blocks.append(Block(number, stage, renamed, modules, made))
    return blocks


def with_names(line: Line, modules: Mapping[str, str]) -> Line:
    """A line that calls its module by another name."""
    if not isinstance(line.operation, Call):
        return line
    return replace(line, operation=replace(line.operation, module=modules[line.operation.module]))


def local_names(found: History, lines: Sequence[Line]) -> dict[str, str]:
    """A short name for each module that lines call, with a number where there are several of a kind."""
    names: dict[str, list[str]] = {}  # those of one kind, by the name that each has alone
    kinds: dict[str, tuple[str, int]] = {}
    for line in lines:
        if line.module and line.module not in kinds:
            role = found.architecture.plan.roles[line.module]
            match role.kind:
                case "transform" | "gate":
                    name, number = role.name if role.number == 1 else f"{role.name}{role.number}", None
                case "carry":  # called after its argument: carry_x2 carries x2, the state two blocks ago
                    name = f"carry_{found.names[role.name]}"
                    number = found.lag(line.target, line.block, role.name).distance
                case kind:
                    name = kind.split()[-1]
                    number = len(names.get(name, [])) + 1
            numbered = name if number is None else f"{name}{number}"
            while numbered in names.setdefault(name, []):  # carried through two stages at once
                numbered += "_"
            kinds[line.module] = name, len(names[name])
            names[name].append(numbered)
    return {module: names[name][at] if len(names[name]) > 1 else name for module, (name, at) in kinds.items()}


@dataclass(frozen=True)
class BlockClass:
    """Blocks of the same code. `members` have, for each variable of the template, their own.

    `outputs` are the variables of the template that later blocks read, the state x first.
    """

    template: Block
    members: Mapping[int, Mapping[str, str]]
    blocks: tuple[Block, ...]
    outputs: tuple[str, ...]


def classes_of(blocks: Sequence[Block], found: History) -> list[BlockClass]:
    """The blocks by classes, in the order of their first blocks.

    A block that reads one value where others read two is of their class: at the start, x[n-1] is x[0].
    """
    groups: list[tuple[Block, dict[int, dict[str, str]]]] = []
    for block in sorted(blocks, key=lambda block: -len(block.inputs)):
        for template, members in [*groups, (block, dict[int, dict[str, str]]())]:
            if (mapping := _match(template, block)) is not None:
                members[block.number] = mapping
                if len(members) == 1:
                    groups.append((template, members))
                break
    classes = []
    for template, members in groups:
        outputs = [name for name in template.targets if any(found.is_live(of[name], n) for n, of in members.items())]
        outputs.sort(key=lambda name: (found.states(name)[0].sequence != "x", -found.states(name)[0].block))
        alike = tuple(block for block in blocks if block.number in members)
        classes.append(BlockClass(template, members, alike, tuple(outputs)))
    return sorted(classes, key=lambda each: each.blocks[0].number)


def _match(template: Block, block: Block) -> dict[str, str] | None:
    """For each variable of `template` that of `block`, if its lines are those of `template`."""
    if template.operations != block.operations or template.made != block.made:
        return None
    mapping = dict(zip(template.targets, block.targets, strict=True))
    inputs = set(template.inputs)
    for ours, theirs in zip(template.reads, block.reads, strict=True):
        if (ours in inputs and theirs in block.targets) or mapping.setdefault(ours, theirs) != theirs:
            return None
    return mapping
