"""The optimizer of a recipe, over the weights that the recipe trains and decays."""

from collections.abc import Callable, Iterable
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from formulanas.network.coefficients import Coefficients
from formulanas.recipe import Recipe

MAX_NORM = 1.0  # of the whole gradient in LAMB


class Lamb(torch.optim.Optimizer):
    """Adam whose step is, for each decayed weight, as long as the weight times the learning rate (1904.00962).

    The whole gradient is clipped to a norm of 1 first, as the recipes that use it have it (2110.00476).
    """

    def __init__(
        self,
        parameters: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step from the gradients as they are."""
        assert closure is None
        groups: list[tuple[dict[str, Any], list[Tensor]]] = [
            (group, [each for each in group["params"] if each.grad is not None]) for group in self.param_groups
        ]
        gradients = [each.grad for _, weights in groups for each in weights if each.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        clip = (MAX_NORM / norm).clamp(max=1.0)
        for group, weights in groups:
            if weights:
                self._step_group(group, weights, clip)

    def _step_group(self, group: dict[str, Any], weights: list[Tensor], clip: Tensor) -> None:
        first, second = group["betas"]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight] = {"mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        group["step"] = group.get("step", 0) + 1
        gradients = torch._foreach_mul([each.grad for each in weights if each.grad is not None], clip)
        means = [self.state[weight]["mean"] for weight in weights]
        squares = [self.state[weight]["square"] for weight in weights]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        spread = torch._foreach_sqrt(torch._foreach_div(squares, 1 - second ** group["step"]))
        torch._foreach_add_(spread, group["eps"])
        updates = torch._foreach_div(torch._foreach_div(means, 1 - first ** group["step"]), spread)
        if group["weight_decay"]:
            torch._foreach_add_(updates, weights, alpha=group["weight_decay"])
            lengths = zip(torch._foreach_norm(weights), torch._foreach_norm(updates), strict=True)
            ratios = [torch.where((own > 0) & (new > 0), own / new, 1.0) for own, new in lengths]
            torch._foreach_mul_(updates, ratios)
        torch._foreach_add_(weights, updates, alpha=-group["lr"])


def optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer for `network`; what the recipe does not train is frozen."""
    groups = parameter_groups(recipe, network)
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(
                groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True
            )
        case "adam":  # with decay as a part of the gradient, as an L2 penalty is
            return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
        case "lamb":
            return Lamb(groups, lr=recipe.learning_rate)
        case _:
            assert_never(recipe.optimizer)


def parameter_groups(recipe: Recipe, network: nn.Module) -> list[dict[str, Any]]:
    """The trained weights in the groups that are decayed and that are not, and the coefficients of the formula.

    The latter are never decayed, which would pull them to zero wherever they start; `rate` is their share of the
    learning rate.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    coefficients: list[nn.Parameter] = []
    learned = {module.values for module in network.modules() if isinstance(module, Coefficients)}
    for parameter in trained_parameters(recipe, network):
        if parameter in learned:
            coefficients.append(parameter)
            continue
        match recipe.decayed:
            case "everything":
                chosen = True
            case "weights":
                chosen = parameter.ndim > 1
            case "kernels":
                chosen = parameter.ndim == 4
            case _:
                assert_never(recipe.decayed)
        (decayed if chosen else free).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
        {"params": coefficients, "weight_decay": 0.0, "rate": recipe.coefficient_rate},
    ]
    return [group for group in groups if group["params"]]


def trained_parameters(recipe: Recipe, network: nn.Module) -> list[nn.Parameter]:
    """What the recipe trains, in the network's order; all else no longer asks for a gradient."""
    everything = list(network.parameters())
    match recipe.trained:
        case "everything":
            return everything
        case "head-and-norms":
            kinds = nn.BatchNorm2d | nn.Linear
            chosen = {each for module in network.modules() if isinstance(module, kinds) for each in module.parameters()}
            for parameter in everything:
                parameter.requires_grad_(parameter in chosen)
            return [each for each in everything if each in chosen]
        case _:
            assert_never(recipe.trained)
