"""From layers as values to torch modules."""

from collections.abc import Callable
from typing import assert_never

from torch import Tensor, nn
from torch.nn import functional

from formulanas.architecture import layers as spec
from formulanas.network.channel_gate import SqueezeExcite
from formulanas.network.coefficients import Coefficients, RandomCoefficient, StochasticDepth
from formulanas.network.convolution import Conv2d
from formulanas.network.graph import Graph

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": functional.relu,
    "sigmoid": Tensor.sigmoid,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "tanh": Tensor.tanh,
    "identity": lambda values: values,
}
IN_PLACE = ("relu", "silu")


class Activation(nn.Module):
    """An elementwise function; in place where its input, the output of a norm, is read by nothing else."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.in_place = name, name in IN_PLACE

    def forward(self, values: Tensor) -> Tensor:
        if self.in_place:
            return ACTIVATIONS[self.name](values, inplace=True)
        return ACTIVATIONS[self.name](values)

    def extra_repr(self) -> str:
        return self.name


class PadShortcut(nn.Module):
    """Every `stride`-th place of (N, C, H, W), with zero channels appended up to `out_channels`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, out_channels - in_channels

    def forward(self, values: Tensor) -> Tensor:
        return functional.pad(values[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.padding))


def build_layer(layer: spec.Layer) -> nn.Module:
    """The torch module of one layer, convolutions initialised as He et al. (2015, 1502.01852) from their fan-out."""
    match layer:
        case spec.Conv(inputs, outputs, kernel, stride, groups, bias, bias_start, dilation):
            padding = dilation * (kernel // 2)
            conv = Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            if conv.bias is not None:
                nn.init.constant_(conv.bias, bias_start)
            return conv
        case spec.Linear(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case spec.BatchNorm(channels):
            return nn.BatchNorm2d(channels)
        case spec.LayerNorm(channels):
            return nn.GroupNorm(1, channels)
        case spec.Activation(name):
            return Activation(name)
        case spec.Coefficients(starts, channels, constraint):
            return Coefficients(starts, channels, constraint)
        case spec.RandomCoefficient(distribution, parameters):
            return RandomCoefficient(distribution, parameters)
        case spec.StochasticDepth(rate, per):
            return StochasticDepth(rate, per)
        case spec.SqueezeExcite(channels, inside, name):
            return SqueezeExcite(channels, inside, Activation(name))
        case spec.MaxPool(kernel, stride):
            return nn.MaxPool2d(kernel, stride, kernel // 2)
        case spec.AvgPool(kernel, stride):
            if kernel == stride:
                return nn.AvgPool2d(kernel, stride, ceil_mode=True)
            return nn.AvgPool2d(kernel, stride, kernel // 2)
        case spec.GlobalAveragePool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case spec.PadShortcut(inputs, outputs, stride):
            return PadShortcut(inputs, outputs, stride)
        case spec.Graph(inputs, nodes, outputs):
            return Graph(inputs, [[(source, _edge(layers)) for source, layers in node] for node in nodes], outputs)
        case _:
            assert_never(layer)


def build_layers(layers: spec.Layers) -> nn.Module:
    """One module for a sequence of layers."""
    modules = [build_layer(layer) for layer in layers]
    if modules and isinstance(modules[0], Activation):
        modules[0].in_place = False  # what it reads may be read by others too
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _edge(layers: spec.Layers) -> nn.Module:
    return build_layers(layers) if layers else nn.Identity()
