"""Residual functions on one input run as one that is wider, where this was measured to be faster.

The functions x -> F1(x), ..., Fk(x) of a multi-residual block (Abdi and Nahavandi 2016, 1609.05672) keep their modules,
parameters and statistics; only the forward pass changes. Convolutions that read the common input have their weights
joined along the output channels, later ones run in groups, and a last convolution whose outputs are added reads the
joined channels at once. This is the same function up to rounding, so that it has to be asked for.
"""

import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from formulanas.architecture import layers as spec
from formulanas.architecture.lines import JointCall, Line, Variable
from formulanas.architecture.plan import Plan
from formulanas.architecture.rewriting import Branches, branches, rewritten, with_terms
from formulanas.network.convolution import convolve
from formulanas.network.layers import ACTIVATIONS
from formulanas.network.network import Network

MARGIN = 1.05  # how many times faster a fused group has to be
ROUNDS = 9
SECONDS = 0.005  # that one timing takes at least


@dataclass(frozen=True)
class Measured:
    """How many times faster a group ran fused, in forward and backward passes: `low` is the lower quartile of pairs."""

    group: Branches
    shape: tuple[int, ...]  # of the input, (N, C, H, W)
    median: float
    low: float

    @property
    def is_faster(self) -> bool:
        """Whether fusing pays by a clear margin."""
        return self.low >= MARGIN


def fusible(plan: Plan) -> tuple[Branches, ...]:
    """All groups of modules in `plan` that can be fused, in the order of the forward pass."""

    def layers_of(line: Line) -> spec.Layers | None:
        layers = plan.modules[str(line.module)]
        return layers if _can_be_fused(layers) else None

    return branches(plan, layers_of)


def fuse(network: Network, groups: Sequence[Branches]) -> None:
    """Runs exactly these `groups` of the network fused from now on; with none, the network is as it was built.

    Its parameters, its state and their names do not change. Hooks on the modules of a fused group are not called.
    """
    source = _fused(network.architecture.plan, groups).source()
    network.follow(source, {**ACTIVATIONS, "fused": fused, "fused_sum": fused_sum})


def fuse_where_faster(network: Network, images: Tensor, rounds: int = ROUNDS) -> tuple[Measured, ...]:
    """Fuses the groups that run faster so, and returns what was measured for all of them.

    Measured are training steps on the network's device, for `images` (N, C, H, W) as in the training to come: the same
    batch size, memory format and, where it trains under autocast, within it. Nothing in the network is changed.
    """
    measured = measure(network, images, rounds)
    fuse(network, [each.group for each in measured if each.is_faster])
    return measured


def measure(network: Network, images: Tensor, rounds: int = ROUNDS) -> tuple[Measured, ...]:
    """How much faster each group of branches of the network runs fused, each distinct group measured once.

    Leaves the network as it was built, with no group fused.
    """
    plan = network.architecture.plan
    done: dict[tuple[object, ...], tuple[float, float]] = {}
    found = []
    for group, value in _inputs(network, images).items():
        layers = plan.modules[group.modules[0]]
        distinct = (layers, len(group.modules), group.added, value.shape, value.dtype, value.stride())
        if distinct not in done:
            # copies, so that neither gradients nor statistics of the network are touched
            modules = [copy.deepcopy(network.get_submodule(name)).train() for name in group.modules]
            ratios = _ratios(modules, torch.empty_like(value, device=images.device), group.added, rounds)
            done[distinct] = statistics.median(ratios), statistics.quantiles(ratios, n=4)[0]
        found.append(Measured(group, tuple(value.shape), *done[distinct]))
    return tuple(found)


def fused(value: Tensor, *modules: nn.Module) -> tuple[Tensor, ...]:
    """What each of `modules`, sequences of equal layers, makes of `value` (N, C, H, W)."""
    return _joined(value, [_layers(module) for module in modules]).chunk(len(modules), 1)


def fused_sum(value: Tensor, *modules: nn.Module) -> Tensor:
    """The sum of what each of `modules`, sequences of equal layers, makes of `value` (N, C, H, W)."""
    sequences = [_layers(module) for module in modules]
    last = sequences[0][-1]
    if len(sequences[0]) == 1 or not isinstance(last, nn.Conv2d) or last.groups > 1:
        return _add(_joined(value, sequences).chunk(len(modules), 1))
    inside = _joined(value, [sequence[:-1] for sequence in sequences])
    convs = [sequence[-1] for sequence in sequences]
    weight = torch.cat([conv.get_parameter("weight") for conv in convs], 1)
    bias = None if last.bias is None else _add([conv.get_parameter("bias") for conv in convs])
    return convolve(inside, weight, bias, last.stride, last.padding, last.dilation, 1)


def _joined(value: Tensor, sequences: Sequence[Sequence[nn.Module]]) -> Tensor:
    """The outputs of `sequences` of layers on `value`, as (N, k C, H, W)."""
    k, common = len(sequences), True  # common: all branches still read the same channels
    for layers in zip(*sequences, strict=True):
        first = layers[0]
        match first:
            case nn.Conv2d() if common and first.groups == 1:
                value, common = _convolve(value, layers, groups=1), False
            case nn.Conv2d():
                value = torch.cat([value] * k, 1) if common else value
                value, common = _convolve(value, layers, groups=k * first.groups), False
            case nn.BatchNorm2d():
                # statistics taken once, with k scales and shifts after them, took 1.2 to 3 times as long as this
                value = torch.cat([value] * k, 1) if common else value
                value, common = _normalise(value, layers), False
            case _:
                value = first(value)
    return torch.cat([value] * k, 1) if common else value


def _convolve(value: Tensor, convs: Sequence[nn.Module], groups: int) -> Tensor:
    first = convs[0]
    assert isinstance(first, nn.Conv2d)
    weight = torch.cat([conv.get_parameter("weight") for conv in convs])
    bias = None if first.bias is None else torch.cat([conv.get_parameter("bias") for conv in convs])
    return convolve(value, weight, bias, first.stride, first.padding, first.dilation, groups)


def _normalise(value: Tensor, norms: Sequence[nn.Module]) -> Tensor:
    """The batch norms side by side, with the running statistics of each updated in its own module."""
    first = norms[0]
    assert isinstance(first, nn.BatchNorm2d)
    assert first.momentum is not None
    means = [norm.get_buffer("running_mean") for norm in norms]
    variances = [norm.get_buffer("running_var") for norm in norms]
    mean, variance = torch.cat(means), torch.cat(variances)
    weight = torch.cat([norm.get_parameter("weight") for norm in norms])
    bias = torch.cat([norm.get_parameter("bias") for norm in norms])
    value = functional.batch_norm(value, mean, variance, weight, bias, first.training, first.momentum, first.eps)
    if first.training:
        torch._foreach_copy_([*means, *variances], [*mean.chunk(len(norms)), *variance.chunk(len(norms))])
        torch._foreach_add_([norm.get_buffer("num_batches_tracked") for norm in norms], 1)
    return value


def _add(parts: Sequence[Tensor]) -> Tensor:
    """The sum of `parts`, one by one: a sum over a dimension of its own would not keep the memory format."""
    first, *others = parts
    for part in others:
        first = first + part
    return first


def _layers(module: nn.Module) -> Sequence[nn.Module]:
    return list(module) if isinstance(module, nn.Sequential) else [module]


def _can_be_fused(layers: spec.Layers) -> bool:
    """Whether `layers` have a convolution to be widened and all act on each channel, or group of channels, alone."""
    kinds = {type(layer) for layer in layers}
    return spec.Conv in kinds and kinds <= {spec.Conv, spec.BatchNorm, spec.Activation}


def _fused(plan: Plan, groups: Sequence[Branches]) -> Plan:
    """`plan` with one line for each of `groups` in place of those that call its modules."""
    starts = {group.modules[0]: group for group in groups}
    others = {module for group in groups for module in group.modules[1:]}

    def rewrite(line: Line) -> Iterator[Line]:
        if line.module in others:
            return
        for group in groups:
            if group.added and group.outputs[0] in line.inputs:
                line = with_terms(line, group.outputs, group.outputs[:1])
        if line.module in starts:
            group = starts[line.module]
            function: Literal["fused", "fused_sum"] = "fused_sum" if group.added else "fused"
            targets = group.outputs[:1] if group.added else group.outputs
            call = JointCall(function, group.modules, (Variable(group.input),))
            line = replace(line, targets=targets, operation=call)
        yield line

    return rewritten(plan, rewrite)


def _inputs(network: Network, images: Tensor) -> dict[Branches, Tensor]:
    """What each group of the network reads for `images`, as tensors of the same shape and strides without data."""
    groups, was_training = fusible(network.architecture.plan), network.training
    fuse(network, ())
    found: dict[str, Tensor] = {}
    with ExitStack() as hooks, torch.no_grad():
        for group in groups:
            name = group.modules[0]
            keep = partial(_keep_shape, found, name)
            hooks.enter_context(network.get_submodule(name).register_forward_pre_hook(keep))
        network.eval()(images)  # which leaves running statistics and generators of random numbers alone
    network.train(was_training)
    return {group: found[group.modules[0]] for group in groups}


def _keep_shape(found: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    found[name] = torch.empty_like(inputs[0], device="meta")


def _ratios(modules: Sequence[nn.Module], value: Tensor, added: bool, rounds: int) -> list[float]:
    """The seconds of forward and backward passes, unfused over fused, of pairs taken in turns."""
    generator = torch.Generator(value.device).manual_seed(0)
    value.normal_(generator=generator).requires_grad_()
    wanted = [value, *(parameter for module in modules for parameter in module.parameters())]

    def unfused() -> Tensor:
        return _add([module(value) for module in modules])

    def wide() -> Tensor:
        return fused_sum(value, *modules) if added else _add(fused(value, *modules))

    gradient = torch.empty_like(unfused()).normal_(generator=generator)

    def seconds(run: Callable[[], Tensor], repeats: int) -> float:
        _wait_for(value.device)
        started = clock()
        for _ in range(repeats):
            torch.autograd.grad(run(), wanted, gradient)
        _wait_for(value.device)
        return clock() - started

    # of this process alone where one thread does all the work, as other trainings share the machine
    alone = value.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    seconds(wide, 1)
    repeats = max(1, math.ceil(SECONDS / max(seconds(unfused, 1), 1e-6)))
    return [seconds(unfused, repeats) / seconds(wide, repeats) for _ in range(rounds)]


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
