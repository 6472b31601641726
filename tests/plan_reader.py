"""An independent reading of plans: every line computed in torch from its value, not from the code that is made of it."""

import functools
import operator
from typing import assert_never

import torch
from torch import Tensor

from formulanas.architecture.lines import (
    BatchSize,
    Bring,
    Call,
    Elementwise,
    Join,
    JointCall,
    Product,
    Slice,
    WeightedSum,
)
from formulanas.network.network import Network

FUNCTIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "identity": torch.clone,
}


def values_of(network: Network, images: Tensor) -> dict[str, Tensor]:
    """All variables of a forward pass by their names."""
    values: dict[str, Tensor] = {"x": images}
    for line in network.architecture.plan.lines:
        inputs = [values[name] if item is None else values[name][item] for name, item in line.operation.inputs]
        match line.operation:
            case Call(module):
                value = network.get_submodule(module)(*inputs)
            case WeightedSum(coefficients, _, constant):
                value = sum((c * v for c, v in zip(coefficients, inputs, strict=True)), torch.tensor(constant))
            case Product():
                value = functools.reduce(operator.mul, inputs)
            case Elementwise(function):
                value = FUNCTIONS[function](inputs[0])
            case Join():
                value = torch.cat(inputs, 1)
            case Slice(start, stop):
                value = inputs[0][:, start:stop]
            case BatchSize():
                value = len(inputs[0])
            case JointCall() | Bring():
                raise AssertionError("a plan as it was made has no joint calls")
            case _:
                assert_never(line.operation)
        values[line.target] = value
    return values
