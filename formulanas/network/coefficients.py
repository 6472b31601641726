"""Learned and random coefficients as torch modules."""

import torch
from torch import Tensor, nn


class Coefficients(nn.Module):
    """Learned coefficients under one constraint; its output (number, 1, channels, 1, 1) has one for each.

    `softmax` and `sum` normalise over the coefficients; `sigmoid` keeps each between 0 and 1.
    """

    def __init__(self, starts: tuple[float, ...], channels: int, constraint: str | None) -> None:
        super().__init__()
        self.constraint = constraint
        values = torch.tensor(starts).view(-1, 1).repeat(1, channels)
        self.values = nn.Parameter(values.logit() if constraint == "sigmoid" else values)

    def forward(self) -> Tensor:
        values: Tensor = self.values
        match self.constraint:
            case "softmax":
                values = values.softmax(0)
            case "sum":
                values = values / values.sum(0, keepdim=True)
            case "sigmoid":
                values = values.sigmoid()
        return values[:, None, :, None, None]


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
    """Its input (N, C, H, W) kept or dropped for each image, or each unit, while training; its mean in evaluation."""

    def __init__(self, rate: float, per: str) -> None:
        super().__init__()
        self.rate, self.per = rate, per

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return (1 - self.rate) * values
        shape = values.shape if self.per == "unit" else (len(values), 1, 1, 1)
        return (torch.rand(shape, device=values.device) >= self.rate) * values


CHANCE = (RandomCoefficient, StochasticDepth)
