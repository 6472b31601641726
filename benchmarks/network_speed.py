"""Our networks against hand-written ones, forward and backward, alternately in one process: ratios of medians.

`python benchmarks/network_speed.py [--rounds 15] [--batch 64] [--threads 1]`. The hand-written networks have the same
layers and the same weights, and their outputs are compared first.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import backbone
from formulanas.formula.published import bind_formula
from formulanas.network.network import build


class BasicBlock(nn.Module):
    """A residual block as one would write it by hand."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.cached_shortcut: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.branch(x))


class HandWritten(nn.Module):
    """ResNet-20 for CIFAR-10, or its ResNet-s form: after the activation, subtract the block before's branch."""

    def __init__(self, subtract: bool) -> None:
        super().__init__()
        self.subtract = subtract
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        blocks, inputs = [], 16
        for width, first in ((16, 1), (32, 2), (64, 2)):
            for stride in (first, 1, 1):
                block = BasicBlock(inputs, width, stride)
                if subtract and (stride != 1 or inputs != width):
                    block.cached_shortcut = nn.Sequential(
                        nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                    )
                blocks.append(block)
                inputs = width
        self.blocks = nn.ModuleList(blocks)
        self.classifier = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        cached = None
        for block in self.blocks:
            if not self.subtract:
                x = block(x)
                continue
            branch = block.branch(x)
            x = torch.relu(block.shortcut(x) + branch)
            if cached is not None:
                x = x - block.cached_shortcut(cached)
            cached = branch
        return self.classifier(x.mean((2, 3)))


def step_seconds(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The process time of one forward and backward pass."""
    started = time.process_time()
    nn.functional.cross_entropy(network(images), labels).backward()
    network.zero_grad()
    return time.process_time() - started


def called(network: nn.Module, images: Tensor) -> dict[torch.Size, list[nn.Module]]:
    """The layers with weights by the shape of their weights, in the order in which they are called."""
    found: dict[torch.Size, list[nn.Module]] = {}
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    hooks = [
        layer.register_forward_hook(lambda each, *_: found.setdefault(each.weight.shape, []).append(each))
        for layer in layers
    ]
    network.eval()(images)
    network.train()
    for hook in hooks:
        hook.remove()
    return found


def compare(formula: str, rounds: int, batch: int) -> None:
    """Prints the ratio for one formula, after a check that both networks compute the same."""
    ours = build(Architecture(bind_formula(formula), backbone("cifar-resnet-20"), (3, 32, 32), 10), seed=0)
    theirs = HandWritten(subtract=formula == "resnet-s")
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,))
    first, second = called(ours, images), called(theirs, images)
    for shape, layers in first.items():
        for layer, other in zip(layers, second[shape], strict=True):
            other.load_state_dict(layer.state_dict())
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)
    ours.train()
    theirs.train()
    networks = {"ours": ours, "hand-written": theirs}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for network in networks.values():
        network.to(memory_format=torch.channels_last)
        step_seconds(network, images, labels)  # a warm-up
    for _ in range(rounds):
        for name, network in networks.items():
            times[name].append(step_seconds(network, images, labels))
    ratios = [a / b for a, b in zip(times["ours"], times["hand-written"], strict=True)]
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(
        f"{formula:<10} ours {1000 * medians['ours']:7.1f} ms  hand-written {1000 * medians['hand-written']:7.1f} ms  "
        f"ratio of medians {medians['ours'] / medians['hand-written']:.3f}  "
        f"pairs {min(ratios):.3f} to {max(ratios):.3f}  n = {rounds}"
    )


def main() -> None:
    """Reads the options and prints a line a formula."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"ResNet-20, batch {options.batch}, {options.threads} thread(s), torch {torch.__version__}, process time")
    for formula in ("resnet", "resnet-s"):
        compare(formula, options.rounds, options.batch)


if __name__ == "__main__":
    main()
