"""Squeeze-and-excitation: channels scaled by a gate that is made of their means."""

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """(N, C, H, W) scaled per channel by a gate of the channels' means (Hu et al. 2017, 1709.01507)."""

    def __init__(self, channels: int, inside: int, activation: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, inside)
        self.activation = activation
        self.expand = nn.Linear(inside, channels)

    def forward(self, values: Tensor) -> Tensor:
        inside = self.activation(self.reduce(values.mean((2, 3))))  # (N, inside)
        gate: Tensor = self.expand(inside).sigmoid()
        return values * gate[:, :, None, None]
