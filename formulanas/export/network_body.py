"""The stages of a network as code: lists of blocks, and the statements that call them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.lines import IMAGES
from formulanas.architecture.planner import BATCH
from formulanas.export.block_code import block_code, class_names
from formulanas.export.blocks import Block, blocks_of, classes_of, local_names, with_names
from formulanas.export.history import History, history
from formulanas.export.layout import WIDTH, bracketed, indented
from formulanas.export.statements import render, statements
from formulanas.export.template import Template, plain
from formulanas.export.wiring import Wiring


@dataclass(frozen=True)
class Body:
    """Classes of blocks, the lines that make the stages, the forward pass, and the place of each module."""

    classes: Sequence[str]
    made: Sequence[str]
    forward: Sequence[str]
    places: Mapping[str, str]


def network_body(architecture: Architecture, calls: Mapping[str, Template]) -> Body:
    """What is between images and logits, whose modules are made by `calls`."""
    found = history(architecture)
    blocks = blocks_of(found, calls)
    classes = classes_of(blocks, found)
    wiring = Wiring(found, blocks, classes)
    codes = [
        block_code(each, name, calls, wiring) for each, name in zip(classes, class_names(classes, wiring), strict=True)
    ]
    made_by = {number: call for code in codes for number, call in code.calls.items()}
    made, start, places = _stem(found, calls)
    for stage, members in groupby(blocks, lambda block: block.stage):
        own = list(members)
        made += _module_list(f"self.stage{stage}", [made_by[block.number] for block in own])
        for at, block in enumerate(own):
            places |= {module: f"stage{stage}.{at}.{local}" for local, module in block.modules.items()}
    steps = wiring.steps()
    *before, (_, images) = start
    forward = [f"{name} = {code}" for name, code in before] + [" = ".join([*steps.stem, images])]
    forward += [*_loops(steps.calls), f"return self.head({steps.head})"]
    return Body([code.text for code in codes], made, forward, places)


def _stem(found: History, calls: Mapping[str, Template]) -> tuple[list[str], list[tuple[str, str]], dict[str, str]]:
    """What makes the modules before the first block, the statements that call them, and their places."""
    lines = found.blocks[0]
    local = local_names(found, lines)
    values = statements([with_names(line, local) for line in lines], iter(()), {BATCH.name, lines[-1].target})
    made = [line for module, name in local.items() for line in indented(f"self.{name} = {plain(calls[module])}", 8)]
    return made, [(target, render(value, {IMAGES.name: "images"})) for target, value in values], local


def _module_list(name: str, calls: Sequence[str]) -> list[str]:
    """A list of blocks, three equal ones or more as a comprehension."""
    found: list[str] = []
    for call, members in groupby(calls):
        number = len(list(members))
        found += [f"*({call} for _ in range({number}))"] if number > 2 else [call] * number
    if len(found) == 1 and len(calls) > 1:
        return bracketed(f"{name} = nn.ModuleList(", [f"{calls[0]} for _ in range({len(calls)})"], ")", 8)
    listed = f"[{', '.join(found)}]"
    if len(listed) > WIDTH - 12:
        listed = "\n".join(["[", *(f"    {call}," for call in found), "]"])
    return bracketed(f"{name} = nn.ModuleList(", [listed], ")", 8)


def _loops(steps: Sequence[tuple[Block, str]]) -> list[str]:
    """Calls of consecutive blocks of a stage as a loop where they read alike."""
    lines: list[str] = []
    for stage, members in groupby(steps, lambda step: step[0].stage):
        texts = [text for _, text in members]
        start = 0
        for text, same in groupby(texts):
            stop = start + len(list(same))
            if stop - start == 1:
                lines.append(text.replace("block(", f"self.stage{stage}[{start}](", 1))
            else:
                whole = f"[{start or ''}:{'' if stop == len(texts) else stop}]"
                lines += [f"for block in self.stage{stage}{'' if whole == '[:]' else whole}:", f"    {text}"]
            start = stop
    return lines
