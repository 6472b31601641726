"""The stages of a network as code: lists of blocks and loops over them, or where each block differs, every line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from formulanas.architecture.architecture import Architecture
from formulanas.export.block_code import BlockCode, block_code, class_names
from formulanas.export.blocks import Block, BlockClass, blocks_of, classes_of, find_outputs, share_names
from formulanas.export.statements import in_place, named, statement
from formulanas.export.template import Template, plain
from formulanas.export.trace import Trace, code_of, name_parts
from formulanas.export.wiring import Names, UnclearNamesError, forward_of

MOST_CLASSES = 4  # above it, when they are more than half of the blocks, classes hide more than they show


@dataclass(frozen=True)
class Body:
    """Classes of blocks, the statements that make the stages, the forward pass, and the place of each module."""

    classes: Sequence[str]
    made: Sequence[str]
    forward: Sequence[str]
    places: Mapping[str, str]


def by_blocks(architecture: Architecture, trace: Trace, calls: Mapping[str, Template]) -> Body | None:
    """The network of block classes; None where they would hide more than they show."""
    stages = architecture.backbone.stages
    blocks = blocks_of(trace, stages, calls)
    classes = classes_of(blocks)
    if len(classes) > max(MOST_CLASSES, len(blocks) // 2) or not all(block.lines for block in blocks):
        return None
    find_outputs(classes, trace, blocks)
    if not all(each.outputs for each in classes):
        return None
    trace = share_names(classes, trace)
    names = Names(trace, architecture)
    try:
        steps = forward_of(blocks, classes, names)
    except UnclearNamesError:
        return None
    codes: list[BlockCode] = []
    for each, name in zip(classes, class_names(classes, len(blocks)), strict=True):
        codes.append(block_code(each, name, _title(each, len(blocks)), calls, names))
    made_by = {number: call for code in codes for number, call in code.calls.items()}
    made: list[str] = []
    places: dict[str, str] = {}
    for stage, members in groupby(blocks, lambda block: block.stage):
        own = list(members)
        made.append(f"self.stage{stage} = nn.ModuleList({_listed([made_by[each.number] for each in own])})")
        for at, block in enumerate(own):
            places |= {module: f"stage{stage}.{at}.{local}" for module, local in block.modules.items()}
    head = names.before(len(blocks) + 1, trace.head.inputs[0])
    batch = ["batch = len(images)"] if any(line.target == "batch" for line in trace.blocks[0]) else []
    forward = [*batch, *_loops(steps, blocks), f"return self.head({head})"]
    return Body([code.text for code in codes], made, forward, places)


def _title(each: BlockClass, num_blocks: int) -> str:
    """Which blocks are of a class."""
    numbers = [block.number for block in each.blocks]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [text for run in runs for text in (map(str, run) if len(run) < 3 else [f"{run[0]} to {run[-1]}"])]
    whole = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"Block{'s' if len(numbers) > 1 else ''} {whole} of {num_blocks}."


def _listed(calls: list[str]) -> str:
    """The elements of a list, three equal ones or more as a comprehension."""
    found: list[str] = []
    for call, members in groupby(calls):
        number = len(list(members))
        found += [f"*({call} for _ in range({number}))"] if number > 2 else [call] * number
    if len(found) == 1 and found[0].startswith("*"):
        return found[0][2:-1]
    return f"[{', '.join(found)}]"


def _loops(steps: Sequence[tuple[Block | None, str]], blocks: Sequence[Block]) -> list[str]:
    """Calls of consecutive blocks of a stage as a loop where they read alike."""
    lines: list[str] = []
    for (stage, text), members in groupby(steps, lambda step: (step[0].stage if step[0] else 0, step[1])):
        called = [block for block, _ in members if block is not None]
        if not called:
            lines.append(text)
            continue
        first = next(block.number for block in blocks if block.stage == stage)
        last = max(block.number for block in blocks if block.stage == stage)
        start, stop = called[0].number - first, called[-1].number - first + 1
        if len(called) == 1:
            lines.append(text.replace("block(", f"self.stage{stage}[{start}](", 1))
            continue
        whole = ("" if start == 0 else str(start)) + ":" + ("" if called[-1].number == last else str(stop))
        lines += [f"for block in self.stage{stage}{'' if whole == ':' else f'[{whole}]'}:", f"    {text}"]
    return lines


def straight(architecture: Architecture, trace: Trace, calls: Mapping[str, Template]) -> Body:
    """The network of modules by the names of the plan, its forward pass line by line."""
    stages = architecture.backbone.stages
    given: dict[str, str] = {"x": "images"}
    forward: list[str] = []
    places: dict[str, str] = {}
    made: list[str] = []
    for number, lines in enumerate(trace.blocks):
        live = trace.live(number)
        statements = [statement(line.target, code_of(line)) for line in lines]
        if number:
            stage = stages[number - 1]
            forward.append(f"# stage {stage}, block {number - stages.index(stage)}: n = {number}")
        modules = {line.target: name_parts(line.module or "")[2] for line in lines}
        kept = {*live}

        def wanted(variable: str, kept: set[str] = kept, modules: dict[str, str] = modules) -> str:
            if variable in kept:
                state = trace.states[variable]
                return state.sequence if state.sequence == "batch" else f"{state.sequence}{state.block}"
            return modules[variable].lower() or "u"

        texts, found = named(in_place(statements, live), given, wanted, live)
        forward += [f"{target} = {code}" for target, code in texts]
        given = {variable: found[variable] for variable in live}
        for module in dict.fromkeys(line.module for line in lines if line.module and line.module != "stem"):
            made.append(f"self.{module} = {plain(calls[module])}")
            places[module] = module
    last = given[trace.head.inputs[0]]
    return Body([], made, [*forward, f"return self.head({last})"], places)
