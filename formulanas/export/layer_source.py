"""Layers as source code: what builds each as a torch module, with its numbers in slots."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from formulanas.architecture import layers as spec
from formulanas.export.template import Slot, Template
from formulanas.network.channel_gate import SqueezeExcite
from formulanas.network.coefficients import Coefficients, RandomCoefficient, StochasticDepth
from formulanas.network.graph import Graph
from formulanas.network.layers import IN_PLACE, PadShortcut

OWN = {
    spec.PadShortcut: PadShortcut,
    spec.SqueezeExcite: SqueezeExcite,
    spec.Coefficients: Coefficients,
    spec.RandomCoefficient: RandomCoefficient,
    spec.StochasticDepth: StochasticDepth,
    spec.Graph: Graph,
}
MODULES = {
    "relu": "nn.ReLU",
    "sigmoid": "nn.Sigmoid",
    "silu": "nn.SiLU",
    "gelu": "nn.GELU",
    "tanh": "nn.Tanh",
    "identity": "nn.Identity",
}
BIASED_CONV = '''class BiasedConv2d(nn.Conv2d):
    """A convolution whose bias starts at `bias_start`."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, bias_start: float, **options: int
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        nn.init.constant_(self.bias, bias_start)
'''


def layer_rows(layer: spec.Layer, is_first: bool) -> list[Template]:
    """The elements that a layer adds to an nn.Sequential; an activation that is not first works in place."""
    match layer:
        case spec.Conv(inputs, outputs, kernel, stride, groups, bias, bias_start, dilation):
            name, start = ("BiasedConv2d", f", {bias_start!r}") if bias_start else ("nn.Conv2d", "")
            padding = dilation * (kernel // 2)
            channels = Slot(inputs, "in_channels"), ", ", Slot(outputs, "out_channels")
            depthwise = inputs == groups > 1
            grouped = Slot(groups, "in_channels" if depthwise else "groups", "groups", 1)
            tail = (
                Slot(stride, "stride", "stride", 1),
                f", padding={padding}" if padding else "",
                f", dilation={dilation}" if dilation > 1 else "",
                grouped,
                "" if bias else ", bias=False",
            )
            return [(f"{name}(", *channels, f", {kernel}{start}", *tail, ")")]
        case spec.Linear(inputs, outputs):
            return [("nn.Linear(", Slot(inputs, "in_channels"), ", ", Slot(outputs, "out_channels"), ")")]
        case spec.BatchNorm(channels):
            return [("nn.BatchNorm2d(", Slot(channels, "norm"), ")")]
        case spec.LayerNorm(channels):
            return [("nn.GroupNorm(1, ", Slot(channels, "norm"), ")")]
        case spec.Activation(name):
            return [(_activation(name, in_place=not is_first),)]
        case spec.Coefficients(starts, channels, constraint):
            wide = Slot(channels, "norm") if channels > 1 else "1"
            kind = "None" if constraint is None else f'"{constraint}"'
            return [("Coefficients(", Slot(starts, "starts"), ", ", wide, f", {kind})")]
        case spec.RandomCoefficient(distribution, parameters):
            return [(f'RandomCoefficient("{distribution}", ', Slot(parameters, "parameters"), ")")]
        case spec.StochasticDepth(rate, per):
            return [("StochasticDepth(", Slot(rate, "rate"), f', "{per}")')]
        case spec.SqueezeExcite(channels, inside, name):
            inner = _activation(name, in_place=True)
            return [("SqueezeExcite(", Slot(channels, "norm"), ", ", Slot(inside, "squeezed"), f", {inner})")]
        case spec.MaxPool(kernel, stride):
            return [(f"nn.MaxPool2d({kernel}, stride={stride}, padding={kernel // 2})",)]
        case spec.AvgPool(kernel, stride):
            if kernel == stride:
                return [("nn.AvgPool2d(", Slot(kernel, "kernel"), ", ceil_mode=True)")]
            return [(f"nn.AvgPool2d({kernel}, stride=", Slot(stride, "stride"), f", padding={kernel // 2})")]
        case spec.GlobalAveragePool():
            return [("nn.AdaptiveAvgPool2d(1)",), ("nn.Flatten()",)]
        case spec.PadShortcut(inputs, outputs, stride):
            channels = Slot(inputs, "in_channels"), ", ", Slot(outputs, "out_channels")
            return [("PadShortcut(", *channels, ", ", Slot(stride, "stride"), ")")]
        case spec.Graph(inputs, nodes, outputs):
            rows = [_opened("[", [_edge(source, layers) for source, layers in node], "]") for node in nodes]
            return [_opened("Graph(", [(str(inputs),), _opened("[", rows, "]"), (repr(outputs),)], ")")]
        case _:
            assert_never(layer)


def _activation(name: str, in_place: bool) -> str:
    return MODULES[name] + ("(inplace=True)" if name in IN_PLACE and in_place else "()")


def sequence(layers: spec.Layers) -> Template:
    """One module for a sequence of layers."""
    rows = [row for at, layer in enumerate(layers) for row in layer_rows(layer, at == 0)]
    if len(rows) == 1:
        return _with_roles(rows[0])
    return _with_roles(_opened("nn.Sequential(", rows, ")"))


def _edge(source: int, layers: spec.Layers) -> Template:
    """One edge of a graph."""
    if len(layers) > 1:
        return _opened("(", [(str(source),), sequence(layers)], ")")
    return (f"({source}, ", *(sequence(layers) if layers else ("nn.Identity()",)), ")")


def _opened(head: str, rows: Sequence[Template], tail: str) -> Template:
    """Rows in brackets, each on a line of its own."""
    inside = [part for row in rows for part in ("\n", *row, ",")]
    moved = [part.replace("\n", "\n    ") if isinstance(part, str) else part for part in inside]
    return (head, *moved, f"\n{tail}")


def _with_roles(template: Template) -> Template:
    """Channels called after their place: what comes in, what goes out, and what is inside."""
    flows = [
        part for part in template if isinstance(part, Slot) and part.role in ("in_channels", "out_channels", "norm")
    ]
    outs = [each for each in flows if each.role == "out_channels"]
    parts = list(template)
    for at, part in enumerate(template):
        if isinstance(part, Slot) and any(part is each for each in flows):
            role = "in_channels" if part is flows[0] else "out_channels" if outs and part is outs[-1] else "inside"
            parts[at] = replace(part, role=role if outs else "channels")  # norms alone keep their channels
    return tuple(parts)


def own_classes(layers: spec.Layers) -> list[str]:
    """The source of our own layers among `layers`."""
    inside = list(layers)
    for layer in inside:  # which grows by what graphs hold
        if isinstance(layer, spec.Graph):
            inside += [part for node in layer.nodes for _, edge in node for part in edge]
    found = [inspect.getsource(own) for kind, own in OWN.items() if any(isinstance(layer, kind) for layer in inside)]
    if any(isinstance(layer, spec.Conv) and layer.bias_start for layer in inside):
        found.append(BIASED_CONV)
    lines = ["\n".join(line.partition("  # type: ignore")[0] for line in source.splitlines()) for source in found]
    return [source.rstrip() for source in lines]
