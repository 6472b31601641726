"""Learned and random coefficients as torch modules."""

import torch
from torch import Tensor, nn


class Coefficients(nn.Module):
    """Learned coefficients, each of shape (1, channels, 1, 1), under one constraint.

    `softmax` and `sum` normalise over the coefficients; `sigmoid` keeps each between 0 and 1.
    """

    def __init__(self, starts: tuple[float, ...], channels: int, constraint: str | None) -> None:
        super().__init__()
        self.constraint = constraint
        values = torch.tensor(starts).view(-1, 1, 1, 1, 1).repeat(1, 1, channels, 1, 1)
        self.values = nn.Parameter(values.logit() if constraint == "sigmoid" else values)

    def forward(self) -> Tensor:
        match self.constraint:
            case "softmax":
                return self.values.softmax(0)
            case "sum":
                return self.values / self.values.sum(0, keepdim=True)
            case "sigmoid":
                return self.values.sigmoid()
        return self.values


class RandomCoefficient(nn.Module):
    """A coefficient of shape (N, 1, 1, 1), drawn for every image while training; its mean in evaluation."""

    def __init__(self, distribution: str, parameters: tuple[float, ...]) -> None:
        super().__init__()
        self.distribution = distribution
        self.register_buffer("parameters_", torch.tensor(parameters), persistent=False)
        self.parameters_: Tensor

    def forward(self, batch: int) -> Tensor:
        values = self.parameters_
        if not self.training:
            return values.mean().view(1, 1, 1, 1)
        if self.distribution == "bernoulli":
            return values.expand(batch).bernoulli().view(batch, 1, 1, 1)
        draws = torch.rand(batch, 1, 1, 1, device=values.device)
        return values[0] + (values[1] - values[0]) * draws


class StochasticDepth(nn.Module):
    """Its input (N, C, H, W) kept whole or dropped for each image while training; times `1 - rate` in evaluation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return (1 - self.rate) * values
        kept = torch.rand(len(values), 1, 1, 1, device=values.device) >= self.rate
        return kept * values


CHANCE = (RandomCoefficient, StochasticDepth)
