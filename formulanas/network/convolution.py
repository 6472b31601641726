"""Convolutions, and the one that oneDNN is not asked to do: a strided 1x1 convolution of few channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

MIN_CHANNELS = 16  # of a group; with AVX2 alone 8 would do


def convolve(
    values: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """`functional.conv2d`, but on a CPU a strided 1x1 convolution of few channels reads the places it needs first.

    oneDNN's gradient of its weights writes past the end of its workspace (uxlfoundation/oneDNN issue 6035): the process
    dies, or goes on with wrong numbers. Where no gradient will be asked for, it is torch's convolution to the last bit;
    with one the two may round differently, since torch chooses its kernels by shape.
    """
    *_, height, width = weight.shape
    pointwise = (height, width) == (1, 1) and padding == (0, 0)
    learns = torch.is_grad_enabled() and weight.requires_grad
    if learns and values.device.type == "cpu" and pointwise and weight.shape[1] < MIN_CHANNELS and max(stride) > 1:
        values, stride = values[:, :, :: stride[0], :: stride[1]], (1, 1)
    return functional.conv2d(values, weight, bias, stride, padding, dilation, groups)


class Conv2d(nn.Conv2d):
    """torch's, by `convolve`."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        return convolve(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
