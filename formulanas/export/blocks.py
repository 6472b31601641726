"""The blocks of a network as classes: blocks whose lines are the same up to variables and numbers share one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import copysign

from formulanas.architecture.lines import Call, Line, Operation, Slice, Variable, WeightedSum
from formulanas.export.history import History
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
        return tuple(_without_values(line.operation) for line in self.lines)

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


def _without_values(operation: Operation) -> Operation:
    inputs = tuple(Variable("", variable.item) for variable in operation.inputs)
    match operation:
        case WeightedSum(coefficients, _, constant):
            kinds = tuple(copysign(1 if abs(each) == 1 else 2, each) for each in coefficients)
            return WeightedSum(kinds, inputs, copysign(1, constant) if constant else 0.0)
        case Slice(start, stop):
            first, last = (None if each is None else -1 if each < 0 else 1 for each in (start, stop))
            return Slice(first, last, inputs)
    return replace(operation, inputs=inputs)  # type: ignore[arg-type]


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
                    number = found.slot(line.target, line.block, role.name).distance
                case kind:
                    name = kind.split()[-1]
                    number = len(names.get(name, [])) + 1
            numbered = name if number is None else f"{name}{number}"
            while numbered in names.setdefault(name, []):  # carried through two stages at once
                numbered += "_"
            kinds[line.module] = name, len(names[name])
            names[name].append(numbered)
    return {module: names[name][at] if len(names[name]) > 1 else name for module, (name, at) in kinds.items()}


@dataclass
class BlockClass:
    """Blocks of the same code. `members` have, for each variable of the template, their own."""

    template: Block
    members: dict[int, dict[str, str]]
    blocks: list[Block]
    outputs: list[str] = field(default_factory=list)  # variables of the template that later blocks read


def classes_of(blocks: Sequence[Block], found: History) -> list[BlockClass]:
    """The blocks by classes, in the order of their first blocks.

    A block that reads one value where others read two is of their class: at the start, x[n-1] is x[0].
    """
    classes: list[BlockClass] = []
    for block in sorted(blocks, key=lambda block: -len(block.inputs)):
        matches = ((each, _match(each.template, block)) for each in classes)
        each, mapping = next((found for found in matches if found[1] is not None), (None, None))
        if each is None or mapping is None:
            each, mapping = BlockClass(block, {}, []), {name: name for name in [*block.inputs, *block.targets]}
            classes.append(each)
        each.members[block.number] = mapping
        each.blocks.append(block)
    for each in classes:
        each.blocks.sort(key=lambda block: block.number)
    classes.sort(key=lambda each: each.blocks[0].number)
    for each in classes:
        for name in each.template.targets:
            if any(found.is_live(mapping[name], number) for number, mapping in each.members.items()):
                each.outputs.append(name)
        each.outputs.sort(key=lambda name: (found.states(name)[0].sequence != "x", -found.states(name)[0].block))
    return classes


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
