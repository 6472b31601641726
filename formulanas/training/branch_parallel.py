"""The residual functions of a multi-residual block on two devices of one machine (1609.05672, section on parallelism).

A block's input is copied to both. The first half of its functions stays with the shortcut on the device of the network;
the other half works on the second one, where its outputs are added up before they come back. In the backward pass the
gradient takes the same ways, and each device has the weights, gradients and optimizer state of its own functions only.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from formulanas.architecture.lines import Bring, JointCall, Line, Variable
from formulanas.architecture.plan import Plan
from formulanas.architecture.rewriting import Branches, branches, readers, rewritten, with_terms
from formulanas.errors import InputError
from formulanas.network.layers import ACTIVATIONS
from formulanas.network.network import Network
from formulanas.training.average import Average
from formulanas.training.training import Training


def added_branches(plan: Plan) -> tuple[Branches, ...]:
    """The functions of one input that a block adds up, with the coefficient 1 and side by side."""
    reading = readers(plan)

    def reader(line: Line) -> str | None:
        found = reading[line.target]
        return found[0].target if len(found) == 1 and plan.roles[str(line.module)].kind != "carry" else None

    return tuple(group for group in branches(plan, reader) if group.added)


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
    groups = added_branches(plan)
    if not groups:
        raise InputError("no block adds up several functions of one input; a second device would have nothing to do")
    for group in groups:
        for name in group.modules[_num_first(group) :]:
            network.get_submodule(name).to(second)
    network.follow(_on_two_devices(plan, groups).source(), {**ACTIVATIONS, "elsewhere": elsewhere})


def elsewhere(value: Tensor, *modules: nn.Module) -> Tensor:
    """The sum, on their own device, of what `modules` make of `value` (N, C, H, W)."""
    copied = value.to(next(modules[0].parameters()).device, non_blocking=True)
    first, *others = (module(copied) for module in modules)
    for other in others:
        first = first + other
    return first  # type: ignore[no-any-return]


def _on_two_devices(plan: Plan, groups: tuple[Branches, ...]) -> Plan:
    """`plan` whose second halves are called in one line each.

    That line comes before the first half, and the sum is brought back after it: a copy between devices waits for what
    both were given to do before.
    """
    first = {group.modules[0]: group for group in groups}
    moved = {module for group in groups for module in group.modules[_num_first(group) :]}

    def rewrite(line: Line) -> Iterator[Line]:
        if line.module in moved:
            return
        if line.module in first:
            group = first[line.module]
            first_far = _num_first(group)
            call = JointCall("elsewhere", group.modules[first_far:], (Variable(group.input),))
            yield replace(line, targets=(group.outputs[first_far],), operation=call)
        for group in groups:
            near, far = group.outputs[: _num_first(group)], group.outputs[_num_first(group)]
            if far in line.inputs:
                brought = f"{far}_here"
                yield replace(line, targets=(brought,), operation=Bring((Variable(far), Variable(near[0]))), macs=0)
                line = with_terms(line, group.outputs, (*near, brought))
        yield line

    return rewritten(plan, rewrite)


def _num_first(group: Branches) -> int:
    """How many of the functions stay on the first device."""
    return (len(group.modules) + 1) // 2
