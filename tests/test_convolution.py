"""The convolution that oneDNN is not asked to do: equal to torch's, and no strided 1x1 gradient of few channels."""

import pytest
import torch
from memory_format import laid_out
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from formulanas.architecture import layers as spec
from formulanas.network.layers import build_layer


class Strides(TorchDispatchMode):
    """Notes the strides of the convolutions whose gradients are computed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[list[int]] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
        if function is torch.ops.aten.convolution_backward.default:
            self.seen.append(arguments[4])
        return function(*arguments, **(keywords or {}))


def gradients(conv: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """The output of a convolution, and the gradients of the sum of its squares by input and weight."""
    images = images.clone().requires_grad_()
    made = conv(images)
    assert isinstance(conv.weight, Tensor)
    return made, *torch.autograd.grad(made.square().sum(), [images, conv.weight])


@pytest.mark.parametrize(("inputs", "kernel", "groups"), [(4, 1, 1), (15, 1, 1), (16, 1, 1), (16, 1, 4), (4, 3, 1)])
def test_a_strided_convolution_is_that_of_torch(inputs: int, kernel: int, groups: int) -> None:
    """Output and gradients equal those of torch in float64, in which oneDNN has no part, up to rounding."""
    torch.manual_seed(0)
    conv = build_layer(spec.Conv(inputs, 8, kernel, 2, groups))
    reference = nn.Conv2d(inputs, 8, kernel, 2, kernel // 2, groups=groups, bias=False).double()
    reference.load_state_dict(conv.state_dict())
    images = torch.randn(3, inputs, 9, 8)
    conv, images = laid_out(conv, torch.channels_last), images.to(memory_format=torch.channels_last)
    for found, expected in zip(gradients(conv, images), gradients(reference, images.double()), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("inputs", "groups", "stride"), [(15, 1, 1), (16, 4, 1), (16, 1, 2)])
def test_few_channels_are_subsampled_first(inputs: int, groups: int, stride: int) -> None:
    """With fewer than 16 channels a group, the gradient is that of a convolution without a stride."""
    conv = build_layer(spec.Conv(inputs, 8, 1, 2, groups))
    with Strides() as strides:
        gradients(conv, torch.randn(2, inputs, 6, 6))
    assert strides.seen == [[stride, stride]]


def test_without_gradients_it_is_torchs_own() -> None:
    """Where no gradient is asked for, outputs are those of `nn.Conv2d`, to the last bit, though torch's kernel for so
    small an image is another than for the subsampled one.
    """
    torch.manual_seed(0)
    conv, reference = build_layer(spec.Conv(8, 16, 1, 2)), nn.Conv2d(8, 16, 1, 2, bias=False)
    reference.load_state_dict(conv.state_dict())
    images = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        assert torch.equal(conv(images), reference(images))
