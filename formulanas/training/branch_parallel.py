"""The residual functions of a multi-residual block on two devices of one machine (1609.05672, section on parallelism).

A block's input is copied to both. The first half of its functions stays with the shortcut on the device of the network;
the other half works on the second one, where its outputs are added up before they come back. In the backward pass the
gradient takes the same ways, and each device has the weights, gradients and optimizer state of its own functions only.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from formulanas.architecture.plan import Plan
from formulanas.architecture.planner import Line
from formulanas.errors import InputError
from formulanas.network.layers import ACTIVATIONS
from formulanas.network.network import Network
from formulanas.training.average import Average
from formulanas.training.training import Training


@dataclass(frozen=True)
class Block:
    """The functions of a block, which all read `input`: their modules, and their outputs, which one line adds up."""

    input: str
    modules: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def num_first(self) -> int:
        """How many of the functions stay on the first device."""
        return (len(self.modules) + 1) // 2


def blocks(plan: Plan) -> tuple[Block, ...]:
    """The blocks of `plan` that add up several functions of one input, with the coefficient 1 and side by side."""
    calls = Counter(line.module for line in plan.lines)
    uses = Counter(name for line in plan.lines for name in line.inputs)
    found = []
    for reader in plan.lines:
        functions: dict[str, list[Line]] = {}
        for line in plan.lines:
            is_function = line.module is not None and "_carry_" not in line.module and calls[line.module] == 1
            if is_function and line.target in reader.inputs and uses[line.target] == 1:
                functions.setdefault(line.inputs[0], []).append(line)
        for name, lines in functions.items():
            outputs = tuple(line.target for line in lines)
            if len(lines) > 1 and re.search(_sum(outputs), reader.code):
                found.append(Block(name, tuple(str(line.module) for line in lines), outputs))
    return tuple(found)


def train_on_two(training: Training, second: torch.device) -> None:
    """From now on the second half of each block's functions trains on the device `second`.

    Raises InputError for a network without such blocks, and for LAMB, which takes one norm over all weights.
    """
    network = training.network
    if training.recipe.optimizer == "lamb":
        raise InputError("LAMB takes one norm over the gradients of both devices; use a recipe of sgd or adam")
    split(network, second)
    if training.average is not None:
        training.average = Average(network, training.average.decay)


def split(network: Network, second: torch.device) -> None:
    """Moves the second half of the functions of each block to `second`, where the forward pass then calls them.

    Raises InputError where no block adds up several functions of one input.
    """
    plan = network.architecture.plan
    found = blocks(plan)
    if not found:
        raise InputError("no block adds up several functions of one input; a second device would have nothing to do")
    for block in found:
        for name in block.modules[block.num_first :]:
            network.get_submodule(name).to(second)
    network.follow(_on_two_devices(plan, found).source(), {**ACTIVATIONS, "elsewhere": elsewhere})


def elsewhere(value: Tensor, *modules: nn.Module) -> Tensor:
    """The sum, on their own device, of what `modules` make of `value` (N, C, H, W)."""
    copied = value.to(next(modules[0].parameters()).device, non_blocking=True)
    first, *others = (module(copied) for module in modules)
    for other in others:
        first = first + other
    return first  # type: ignore[no-any-return]


def _sum(outputs: tuple[str, ...]) -> str:
    """A pattern of the text of a sum in which `outputs` stand side by side, each with the coefficient 1."""
    return rf"(?:^|(?<=\+ )){' [+] '.join(outputs)}(?= [+-] |$)"


def _on_two_devices(plan: Plan, found: tuple[Block, ...]) -> Plan:
    """`plan` whose second halves are called in one line each.

    That line comes before the first half, and the sum is brought back after it: a copy between devices waits for what
    both were given to do before.
    """
    first = {block.modules[0]: block for block in found}
    moved = {module for block in found for module in block.modules[block.num_first :]}
    lines: list[Line] = []
    for line in plan.lines:
        if line.module in moved:
            continue
        if line.module in first:
            block = first[line.module]
            modules = ", ".join(f"self.{module}" for module in block.modules[block.num_first :])
            target = block.outputs[block.num_first]
            lines.append(Line(target, f"elsewhere({block.input}, {modules})", (block.input,)))
        for block in found:
            near, far = block.outputs[: block.num_first], block.outputs[block.num_first :]
            if far[0] in line.inputs:
                text = f"{' + '.join(near)} + {far[0]}.to({near[0]}.device, non_blocking=True)"
                inputs = tuple(each for each in line.inputs if each not in far[1:])
                line = replace(line, code=re.sub(_sum(block.outputs), text, line.code), inputs=inputs)
        lines.append(line)
    return replace(plan, lines=tuple(lines))
