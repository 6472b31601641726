"""From layers as values to torch modules."""

from collections.abc import Callable
from typing import assert_never

from torch import Tensor, nn
from torch.nn import functional

from formulanas.architecture import layers as spec
from formulanas.errors import InputError, unknown_name
from formulanas.network.channel_groups import SplitConv, SqueezeExcite
from formulanas.network.coefficients import Coefficients, RandomCoefficient, StochasticDepth

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
        if name not in ACTIVATIONS:
            raise InputError(unknown_name("activation", name, ACTIVATIONS))
        self.name = name

    def forward(self, values: Tensor) -> Tensor:
        if self.name in IN_PLACE:
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
        case spec.Conv(inputs, outputs, kernel, stride, groups, bias, bias_start):
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
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
        case spec.SqueezeExcite(channels, reduction):
            return SqueezeExcite(channels, reduction)
        case spec.SplitConv(stride=stride, scale=scale, activation=name):
            convs = [build_layer(layer.conv) for _ in range(scale - 1)]
            norms: list[nn.Module] = [nn.BatchNorm2d(layer.conv.out_channels) for _ in range(scale - 1)]
            return SplitConv(convs, norms, Activation(name), stride)
        case spec.MaxPool(kernel, stride):
            return nn.MaxPool2d(kernel, stride, kernel // 2)
        case spec.AvgPool(stride):
            return nn.AvgPool2d(stride, ceil_mode=True)
        case spec.GlobalAveragePool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case spec.PadShortcut(inputs, outputs, stride):
            return PadShortcut(inputs, outputs, stride)
        case _:
            assert_never(layer)


def build_layers(layers: spec.Layers) -> nn.Module:
    """One module for a sequence of layers."""
    modules = [build_layer(layer) for layer in layers]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)
