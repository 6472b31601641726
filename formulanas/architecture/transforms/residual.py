"""The residual functions of ResNets, DenseNets and highway networks."""

from formulanas.architecture.layers import Activation, Conv, Layers
from formulanas.architecture.transforms.style import Style


def basic(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Two 3x3 convolutions; the activation that follows belongs to the formula (He et al. 2015, 1512.03385)."""
    first = style.conv_norm_act(in_channels, out_channels, 3, stride)
    return *first, *style.conv_norm(out_channels, out_channels, 3)


def bottleneck(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """1x1, 3x3 with the stride, 1x1 (He et al. 2015, 1512.03385); with groups, the block of ResNeXt."""
    inside = round(out_channels * style.ratio)
    return (
        *style.conv_norm_act(in_channels, inside),
        *style.conv_norm_act(inside, inside, 3, stride, style.cardinality),
        *style.conv_norm(inside, out_channels),
    )


def preactivation(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Norm and activation before each of two 3x3 convolutions (He et al. 2016, 1603.05027)."""
    first = style.norm_act_conv(in_channels, out_channels, 3, stride)
    return *first, *style.norm_act_conv(out_channels, out_channels, 3)


def preactivation_bottleneck(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Norm and activation before each of 1x1, 3x3 with the stride, 1x1 (He et al. 2016, 1603.05027)."""
    inside = round(out_channels * style.ratio)
    return (
        *style.norm_act_conv(in_channels, inside),
        *style.norm_act_conv(inside, inside, 3, stride, style.cardinality),
        *style.norm_act_conv(inside, out_channels),
    )


def dense(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """Norm and activation before 1x1, to four times the output, and before 3x3 (DenseNet-B, 1608.06993)."""
    inside = 4 * out_channels
    return *style.norm_act_conv(in_channels, inside), *style.norm_act_conv(inside, out_channels, 3, stride)


def gate(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """A 3x3 convolution into a sigmoid that starts near closed, at 0.12 (Srivastava et al. 2015, 1505.00387)."""
    return Conv(in_channels, out_channels, 3, stride, bias=True, bias_start=-2.0), Activation("sigmoid")
