"""Zero-cost proxies: what may foretell a candidate's accuracy before any training, by name.

They are cheap guesses: how well each orders the trained candidates is measured in every search, and printed.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import paths
from formulanas.architecture.architecture import Architecture
from formulanas.errors import InputError, unknown_name
from formulanas.network.network import build
from formulanas.search.space.proxy import Proxy

Predictor = Callable[[Architecture, Tensor, Tensor, int], float | None]

BATCH_SIZE = 32


def params(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float:
    """The number of parameters."""
    return architecture.plan.num_params


def macs(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float:
    """The multiply-accumulates of one image."""
    return architecture.plan.macs


def growth_rate(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float | None:
    """Minus the distance of the growth of the state from 1, in logarithms; None where it depends on the input."""
    rate = growth(architecture.recursion)
    return -abs(math.log(rate)) if rate else None


def path_length(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float | None:
    """The mean number of residual functions on a path, paths weighed without their signs."""
    try:
        gross = [float(weight) for weight in paths(architecture.recursion, len(architecture.backbone.stages)).gross]
    except InputError:
        return None
    total = sum(gross)
    return sum(length * weight for length, weight in enumerate(gross)) / total if total else None


def grad_norm(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float:
    """The logarithm of the norm of the loss's gradient at the start (Abdelfattah et al. 2021, 2101.08134)."""
    network = build(architecture, seed).to(images.device).train()
    functional.cross_entropy(network(images), labels).backward()
    squares = [weight.grad.square().sum() for weight in network.parameters() if weight.grad is not None]
    return math.log(float(torch.stack(squares).sum().sqrt()) + 1e-30)


def synflow(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float:
    """The logarithm of the sum of weight times gradient, all weights positive (Tanaka et al. 2020, 2006.05467)."""
    network = build(architecture, seed).to(images.device).double().eval()  # fresh norms, evaluating, are identities
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    flows = [(weight * weight.grad).abs().sum() for weight in network.parameters() if weight.grad is not None]
    return math.log(float(torch.stack(flows).sum().detach()) + 1e-300)


class _Codes(TorchDispatchMode):
    """Sums, over all rectifiers, for how many units two images are both active or both not: (N, N)."""

    def __init__(self, num_images: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernel = torch.zeros(num_images, num_images, dtype=torch.float64)

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        outputs = function(*arguments, **(keywords or {}))
        if function in (torch.ops.aten.relu.default, torch.ops.aten.relu_.default) and len(outputs) == len(self.kernel):
            active = (outputs > 0).flatten(1).float()
            self.kernel += (active @ active.T + (1 - active) @ (1 - active).T).cpu()
        return outputs


def naswot(architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float | None:
    """How well rectifiers tell images apart: the log-determinant of their codes' kernel (Mellor et al., 2006.04647)."""
    network = build(architecture, seed).to(images.device).train()
    with torch.no_grad(), _Codes(len(images)) as codes:
        network(images)
    sign, logarithm = torch.linalg.slogdet(codes.kernel)
    return float(logarithm) if sign > 0 and math.isfinite(float(logarithm)) else None


PREDICTORS: dict[str, Predictor] = {
    "params": params,
    "macs": macs,
    "growth": growth_rate,
    "path_length": path_length,
    "grad_norm": grad_norm,
    "synflow": synflow,
    "naswot": naswot,
}


def find_predictor(name: str) -> Predictor:
    """The predictor `name`."""
    if name not in PREDICTORS:
        raise InputError(unknown_name("predictor", name, PREDICTORS) + " (search.rank_by)")
    return PREDICTORS[name]


def sample(proxy: Proxy) -> tuple[Tensor, Tensor]:
    """A batch of training images (N, C, H, W), normalised, and their labels (N,), on the proxy's device."""
    data = proxy.images()
    device = torch.device(proxy.device)
    return data.normalise(data.images[:BATCH_SIZE]).to(device), data.labels[:BATCH_SIZE].to(device)


def predict(name: str, architecture: Architecture, images: Tensor, labels: Tensor, seed: int) -> float | None:
    """What predictor `name` says of an untrained network: higher is to mean better; None where it says nothing.

    `images` (N, C, H, W) are normalised training images, `labels` (N,) theirs; `seed` draws the weights.
    """
    value = find_predictor(name)(architecture, images, labels, seed)
    return value if value is None or math.isfinite(value) else None
