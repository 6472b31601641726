"""The network of an architecture: its modules, and a forward pass that is straight-line code made from the formula."""

import linecache
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from formulanas.architecture.architecture import Architecture
from formulanas.network.coefficients import CHANCE
from formulanas.network.layers import ACTIVATIONS, build_layers


class Network(nn.Module):
    """From images (N, C, H, W), normalised, to logits (N, num_classes). `source` is the code of its forward pass."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        for name, layers in architecture.plan.modules.items():
            self.add_module(name, build_layers(layers))
        self.follow(architecture.plan.source(), ACTIVATIONS)
        self.has_chance = any(isinstance(module, CHANCE) for module in self.modules())

    def follow(self, source: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        """From now on the forward pass is `source`, the code of a plan, which may call `functions` by their names."""
        self.source = source
        self._run = compile_forward(source, self.architecture.digest, functions)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self._run(self, images)
        return logits


def compile_forward(source: str, name: str, functions: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The function that `source`, the code of a plan, defines; its lines show in tracebacks."""
    filename = f"<network {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"cat": torch.cat, **functions}
    exec(compile(source, filename, "exec"), namespace)
    return cast(Callable[..., Any], namespace["forward"])


def build(architecture: Architecture, seed: int) -> Network:
    """The network of `architecture`, its weights drawn by `seed` without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(architecture)
