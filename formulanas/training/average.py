"""The exponential moving average of a network's weights and statistics, which is what is evaluated and kept."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from formulanas.network.network import Network


class Average:
    """A copy of `network` that follows it by the share 1 - decay each step, faster in the first steps."""

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        shared: dict[int, Any] = {id(network.architecture): network.architecture}
        self.network = copy.deepcopy(network, shared).requires_grad_(False).eval()
        self.live, self.kept = _tensors(network), _tensors(self.network)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Takes in the weights after step `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.kept, self.live, 1 - decay)


def _tensors(network: nn.Module) -> list[Tensor]:
    """All weights and statistics that are numbers on a scale, so not the batch norms' counters."""
    return [tensor.data for tensor in network.state_dict(keep_vars=True).values() if tensor.is_floating_point()]
