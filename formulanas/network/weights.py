"""Weights from another network that computes the same: each layer's counterpart has its shapes and reads its inputs."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from formulanas.errors import InputError

Kind = tuple[tuple[str, tuple[int, ...]], ...]  # the names and shapes of a layer's weights


@dataclass(frozen=True)
class Call:
    """One call of a layer that has weights; `reads` are the earlier calls whose outputs reach its input."""

    name: str
    kind: Kind
    reads: frozenset[int]


def copy_weights(source: nn.Module, target: nn.Module, images: Tensor) -> None:
    """Copies the weights and running statistics that `source` uses for `images` (N, C, H, W) into `target`.

    Raises InputError where a layer has no counterpart. That both compute the same is for their outputs to show.
    """
    with torch.no_grad():
        for name, other in counterparts(source, target, images).items():
            values = source.get_submodule(other).state_dict()
            for key, value in target.get_submodule(name).state_dict().items():
                value.copy_(values[key].view_as(value))


def counterparts(source: nn.Module, target: nn.Module, images: Tensor) -> dict[str, str]:
    """The layer of `source`, by name, for each layer of `target` that has weights and is called.

    Two layers match whose weights have the same names and shapes, whose inputs come from layers that match, and whose
    outputs go to such. Among several, as for parallel groups of channels, the order of calls decides.
    """
    theirs, ours = calls(source, images), calls(target, images)
    numbers: dict[object, int] = {}  # shared, so that equal marks mean counterparts
    found: dict[str, str] = {}
    for their_marks, our_marks in zip(_marks(theirs, numbers), _marks(ours, numbers), strict=True):
        waiting: dict[int, list[Call]] = defaultdict(list)
        for call, mark in zip(theirs, their_marks, strict=True):
            waiting[mark].append(call)
        for call, mark in zip(ours, our_marks, strict=True):
            if not waiting[mark]:
                raise InputError(_alone(call, "the source"))
            found[call.name] = waiting[mark].pop(0).name
        if left := [call for calls in waiting.values() for call in calls]:
            raise InputError(_alone(left[0], "the target"))
    return found


def calls(network: nn.Module, images: Tensor) -> list[Call]:
    """The calls of layers with weights in one forward pass in evaluation mode, in their order."""
    found: list[Call] = []
    made: dict[Node, int] = {}  # which call made an output, by the output's node in autograd's graph
    names = {module: name for name, module in network.named_modules()}

    def record(layer: nn.Module, inputs: tuple[object, ...], output: Tensor) -> None:
        reads, seen = set(), set()
        pending = [each.grad_fn for each in inputs if isinstance(each, Tensor)]
        while pending:
            node = pending.pop()
            if node in made:
                reads.add(made[node])
            elif node is not None and node not in seen:
                seen.add(node)
                pending += [before for before, _ in node.next_functions]
        assert output.grad_fn is not None
        made[output.grad_fn] = len(found)
        found.append(Call(names[layer], _kind(layer), frozenset(reads)))

    hooks = [
        module.register_forward_hook(record) for module in names if any(True for _ in module.parameters(recurse=False))
    ]
    training = [module for module in names if module.training]
    try:
        with torch.enable_grad():
            network.eval()(images.detach().requires_grad_())  # so that frozen weights too leave a graph
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    return found


def _kind(layer: nn.Module) -> Kind:
    """Without the trailing ones of shapes: a linear layer may be written as a 1x1 convolution."""
    shapes = []
    for name, value in layer.state_dict().items():
        shape = tuple(value.shape)
        while shape and shape[-1] == 1:
            shape = shape[:-1]
        shapes.append((name, shape))
    return tuple(sorted(shapes))


def _marks(network: list[Call], numbers: dict[object, int]) -> tuple[list[int], list[int]]:
    """A number for each call, first by all that it reads, then also by all that reads it.

    The first alone decides for most layers, and where it does not, it finds the first layer that differs; the second
    tells a shortcut from the first convolution of a branch that is as wide.
    """
    inward: list[int] = []
    readers: list[list[int]] = [[] for _ in network]
    for number, call in enumerate(network):
        key = call.kind, tuple(sorted(inward[each] for each in call.reads))
        inward.append(numbers.setdefault(key, len(numbers)))
        for each in call.reads:
            readers[each].append(number)
    both = inward.copy()
    for number in reversed(range(len(network))):
        outward = inward[number], tuple(sorted(both[each] for each in readers[number]))
        both[number] = numbers.setdefault(outward, len(numbers))
    return inward, both


def _alone(call: Call, other: str) -> str:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in call.kind if shape)
    law = "each layer has a counterpart with the same shapes that reads the same layers"
    return f"{law}, but {call.name} ({shapes}) has none in {other}; do both networks compute the same?"
