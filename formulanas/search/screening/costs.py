"""What a candidate costs on the device at hand: latency and memory, measured before it is trained."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from formulanas.network.network import Network

LATENCY_ROUNDS = 15
COST_IMAGES = 32


def latency(network: Network, images: Tensor) -> float:
    """Milliseconds of a forward pass over `images` (N, C, H, W), divided by N: the median of several."""
    training = network.training
    network.eval()
    seconds = []
    with torch.inference_mode():
        for _ in range(LATENCY_ROUNDS + 3):
            started = time.perf_counter()
            network(images)
            if images.is_cuda:
                torch.cuda.synchronize(images.device)
            seconds.append(time.perf_counter() - started)
    network.train(training)
    return 1000 * sorted(seconds[3:])[LATENCY_ROUNDS // 2] / len(images)


def memory(network: Network, images: Tensor) -> float:
    """Bytes an image that a training step keeps for its backward pass, beside the parameters."""
    kept: dict[int, int] = {}
    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}  # of norms: the pass moves them
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = functional_call(network, statistics, (images,))
        loss = functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long, device=images.device))
    del loss
    return sum(kept.values()) / len(images)


MEASURES: dict[str, Callable[[Network, Tensor], float]] = {"latency": latency, "memory": memory}


def measure(names: tuple[str, ...], network: Network, images: Tensor) -> dict[str, float]:
    """The latency and memory among the costs `names`, of a network on the device of `images`."""
    return {name: MEASURES[name](network, images) for name in names if name in MEASURES}


def exceeded(costs: Mapping[str, float | None], limits: Mapping[str, float]) -> str:
    """The first of the `limits` that measured `costs` exceed, in words; empty where they keep them all."""
    for name, limit in limits.items():
        value = costs.get(name)
        if value is not None and value > limit:
            unit = "ms" if name == "latency" else "bytes"
            return f"a {name} of {value:,.4g} {unit} an image, at most {limit:,g} allowed"
    return ""
