"""The mobile inverted bottleneck with squeeze-and-excitation, of which EfficientNets are made."""

from formulanas.architecture.layers import Layers, SqueezeExcite
from formulanas.architecture.transforms.style import Style

SQUEEZE = 4  # the units inside the gate are a quarter of the channels that come in


def mbconv(in_channels: int, out_channels: int, stride: int, style: Style) -> Layers:
    """1x1 to `expansion` times the channels, a depthwise convolution, the gate, 1x1 (Tan and Le 2019, 1905.11946)."""
    inside = in_channels * style.expansion
    expand = style.conv_norm_act(in_channels, inside) if style.expansion > 1 else ()
    return (
        *expand,
        *style.conv_norm_act(inside, inside, style.kernel, stride, groups=inside),
        SqueezeExcite(inside, max(1, in_channels // SQUEEZE), style.activation),
        *style.conv_norm(inside, out_channels),
    )
