"""The block of ResNeXt in the two forms that its paper shows beside grouped convolutions (Xie et al. 2016, 1611.05431).

`bottleneck` with groups is form (c). All three compute the same, which the tests hold against each other.
"""

from formulanas.architecture.layers import BatchNorm, Conv, Graph, Layers
from formulanas.architecture.transforms.style import Style


def _path(in_channels: int, inside: int, stride: int, style: Style) -> Layers:
    first = style.conv_norm_act(in_channels, inside // style.cardinality)
    return *first, *style.conv_norm_act(inside // style.cardinality, inside // style.cardinality, 3, stride)


def resnext_paths(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Form (a): `cardinality` paths of 1x1, 3x3, 1x1 whose outputs are added."""
    inside = round(out_channels * style.ratio)
    last = Conv(inside // style.cardinality, out_channels, 1, bias=style.bias)
    path = 0, (*_path(in_channels, inside, stride, style), last)
    return Graph(1, ((path,) * style.cardinality,), (1,)), BatchNorm(out_channels)


def resnext_joined(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Form (b): `cardinality` paths of 1x1, 3x3 whose outputs are joined before one 1x1."""
    inside = round(out_channels * style.ratio)
    path = ((0, _path(in_channels, inside, stride, style)),)
    joined = Graph(1, (path,) * style.cardinality, tuple(range(1, 1 + style.cardinality)))
    return joined, *style.conv_norm(inside, out_channels)
