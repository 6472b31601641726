"""Layers over groups of channels: squeeze-and-excitation, and the split convolution of Res2Net."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SqueezeExcite(nn.Module):
    """(N, C, H, W) scaled per channel by a gate of the channels' means (Hu et al. 2017, 1709.01507)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)

    def forward(self, values: Tensor) -> Tensor:
        inside = functional.relu(self.reduce(values.mean((2, 3))))  # (N, C / reduction)
        gate: Tensor = self.expand(inside).sigmoid()
        return values * gate[:, :, None, None]


class SplitConv(nn.Module):
    """(N, C, H, W) in groups of channels, each convolved with the one before added (Gao et al. 2019, 1904.01169)."""

    def __init__(self, convs: list[nn.Module], norms: list[nn.Module], activation: nn.Module, stride: int) -> None:
        super().__init__()
        self.convs, self.norms = nn.ModuleList(convs), nn.ModuleList(norms)
        self.activation, self.stride = activation, stride

    def forward(self, values: Tensor) -> Tensor:
        groups = values.chunk(len(self.convs) + 1, 1)
        outputs: list[Tensor] = []
        for group, conv, norm in zip(groups, self.convs, self.norms, strict=False):
            fed = group + outputs[-1] if outputs and self.stride == 1 else group
            outputs.append(self.activation(norm(conv(fed))))
        last = groups[-1] if self.stride == 1 else functional.avg_pool2d(groups[-1], 3, self.stride, 1)
        return torch.cat((*outputs, last), 1)
