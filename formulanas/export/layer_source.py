"""Layers as source code: what builds each as a torch module, with its numbers in slots."""

import inspect
import re
from typing import assert_never

from formulanas.architecture import layers as spec
from formulanas.export.template import Slot, Template
from formulanas.network.channel_gate import SqueezeExcite
from formulanas.network.coefficients import Coefficients, RandomCoefficient, StochasticDepth
from formulanas.network.graph import Graph
from formulanas.network.layers import IN_PLACE, PadShortcut

OWN = (PadShortcut, SqueezeExcite, Coefficients, RandomCoefficient, StochasticDepth, Graph)
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
            return [(MODULES[name] + ("(inplace=True)" if name in IN_PLACE and not is_first else "()"),)]
        case spec.Coefficients(starts, channels, constraint):
            wide = Slot(channels, "norm") if channels > 1 else "1"
            return [("Coefficients(", Slot(starts, "starts"), ", ", wide, f", {_quoted(constraint)})")]
        case spec.RandomCoefficient(distribution, parameters):
            return [(f'RandomCoefficient("{distribution}", ', Slot(parameters, "parameters"), ")")]
        case spec.StochasticDepth(rate, per):
            return [("StochasticDepth(", Slot(rate, "rate"), f', "{per}")')]
        case spec.SqueezeExcite(channels, inside, name):
            inner = plain_activation(name)
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
            parts: list[str | Slot] = [f"Graph({inputs}, ["]
            for at, node in enumerate(nodes):
                parts.append(", [" if at else "[")
                for number, (source, layers) in enumerate(node):
                    edge = sequence(layers) if layers else ("nn.Identity()",)
                    parts += [f"{', ' if number else ''}({source}, ", *edge, ")"]
                parts.append("]")
            return [(*parts, f"], {outputs!r})")]
        case _:
            assert_never(layer)


def plain_activation(name: str) -> str:
    """The module of an activation between two layers of ours."""
    return MODULES[name] + ("(inplace=True)" if name in IN_PLACE else "()")


def _quoted(text: str | None) -> str:
    return "None" if text is None else f'"{text}"'


def sequence(layers: spec.Layers) -> Template:
    """One module for a sequence of layers; a comma at its end keeps an nn.Sequential on several lines."""
    rows = [row for at, layer in enumerate(layers) for row in layer_rows(layer, at == 0)]
    if len(rows) == 1:
        return _with_roles(rows[0])
    parts: list[str | Slot] = ["nn.Sequential("]
    for row in rows:
        parts += [*row, ", "]
    return _with_roles((*parts, ")"))


def _with_roles(template: Template) -> Template:
    """Channels called after their place: what comes in, what goes out, and what is inside."""
    flows = ("in_channels", "out_channels", "norm")
    channels = [at for at, part in enumerate(template) if isinstance(part, Slot) and part.role in flows]
    outs = [at for at in channels if isinstance(part := template[at], Slot) and part.role == "out_channels"]
    first, last = channels[:1], outs[-1:]
    parts = list(template)
    for at in channels:
        slot = template[at]
        assert isinstance(slot, Slot)
        role = "in_channels" if at in first else "out_channels" if at in last else "inside"
        if not outs:  # norms alone keep their channels
            role = "channels"
        parts[at] = Slot(slot.value, role, slot.keyword, slot.default)
    return tuple(parts)


def own_classes(text: str) -> list[str]:
    """The source of our own layers that the code `text` calls."""
    found = [inspect.getsource(own) for own in OWN if f"{own.__name__}(" in text]
    if "BiasedConv2d(" in text:
        found.append(BIASED_CONV)
    return [re.sub(r"  # type: ignore\[[\w-]+\]", "", source).rstrip() for source in found]
