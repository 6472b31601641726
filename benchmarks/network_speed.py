"""Our networks against independent ones, forward and backward, alternately in one process: time and memory.

`python benchmarks/network_speed.py [NETWORK ...] [--rounds 15] [--batch 16] [--size 64] [--threads 1] [--compile]`.
The other networks are timm's, and for the cost of history ResNet-20 and its ResNet-s form, written by hand here. Their
weights are copied and outputs compared first. With `--compile` each network, ours as the other, is one whole graph of
torch.compile; that takes a minute or two a network on a CPU, and then memory is that of the compiled step.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from independent import PAIRS
from memory_format import laid_out
from torch import Tensor, nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbones import backbone
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.network.weights import copy_weights

HAND_WRITTEN = {"resnet-20 by hand": "resnet", "resnet-s-20 by hand": "resnet-s"}  # the formula of each


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
        blocks: list[BasicBlock] = []
        inputs = 16
        for width, first in ((16, 1), (32, 2), (64, 2)):
            for stride in (first, 1, 1):
                block = BasicBlock(inputs, width, stride)
                if subtract and (stride != 1 or inputs != width):
                    block.cached_shortcut = nn.Sequential(
                        nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                    )
                blocks.append(block)
                inputs = width
        self.blocks = blocks
        self.stages = nn.Sequential(*blocks)
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
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


Step = Callable[[], None]


@dataclass(frozen=True)
class Measured:
    """Seconds of each round and peak bytes of one step, of ours and of the other network."""

    seconds: tuple[list[float], list[float]]
    peak: tuple[int, int]

    def row(self, name: str) -> str:
        """A line of the table."""
        ours, other = (1000 * statistics.median(each) for each in self.seconds)
        pairs = sorted(a / b for a, b in zip(*self.seconds, strict=True))
        quarter = len(pairs) // 4
        mebibytes = [each / 2**20 for each in self.peak]
        return (
            f"{name:<20}{ours:>9.1f}{other:>9.1f}{ours / other:>8.3f}"
            f"   {pairs[quarter]:.3f}-{pairs[-1 - quarter]:.3f}"
            f"{mebibytes[0]:>10.1f}{mebibytes[1]:>8.1f}{mebibytes[0] / mebibytes[1]:>8.3f}"
        )


HEADER = (
    f"{'network':<20}{'ours ms':>9}{'other':>9}{'ratio':>8}   {'of pairs':<11}{'ours MiB':>10}{'other':>8}{'ratio':>8}"
)


def networks(name: str, size: int) -> tuple[nn.Module, nn.Module, int]:
    """Ours and the other one, and the side of their images."""
    if name in HAND_WRITTEN:
        formula = HAND_WRITTEN[name]
        architecture = Architecture(bind_formula(formula), backbone("cifar-resnet-20"), (3, 32, 32), 10)
        return build(architecture, seed=0), HandWritten(subtract=formula == "resnet-s"), 32
    return build(PAIRS[name].architecture(size, 1000), seed=0), PAIRS[name].independent(1000), size


def seconds(step: Step, device: torch.device) -> float:
    """The time of one step: of the process on a CPU, between events on a GPU."""
    if device.type == "cpu":
        started = time.process_time()
        step()
        return time.process_time() - started
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    step()
    end.record()
    torch.cuda.synchronize()
    milliseconds: float = start.elapsed_time(end)
    return milliseconds / 1000


def peak_bytes(step: Step, device: torch.device) -> int:
    """The most that one step has allocated at any time, above what was there."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    allocated = most = 0
    for event in sorted((each for each in events if each["name"] == "[memory]"), key=lambda each: each["ts"]):
        allocated += event["args"]["Bytes"]
        most = max(most, allocated)
    return most


def measure(name: str, options: argparse.Namespace) -> Measured:
    """Both networks of one name, after a check that they compute the same."""
    device = torch.device(options.device)
    ours, other, size = networks(name, options.size)
    images = torch.randn(options.batch, 3, size, size)
    copy_weights(other, ours, images[:2])
    torch.testing.assert_close(ours.eval()(images[:2]), other.eval()(images[:2]), rtol=1e-3, atol=1e-3)
    images = images.to(device, memory_format=torch.channels_last)
    labels = torch.randint(10, (options.batch,), device=device)

    def step_of(network: nn.Module) -> Step:
        laid_out(network.train().to(device), torch.channels_last)
        if options.compile:
            network.compile()

        def step() -> None:
            nn.functional.cross_entropy(network(images), labels).backward()
            network.zero_grad()

        return step

    steps = step_of(ours), step_of(other)
    for step in (*steps, *steps):  # to warm up
        step()
    times: tuple[list[float], list[float]] = ([], [])
    for each in range(options.rounds):
        for place in (0, 1) if each % 2 else (1, 0):
            times[place].append(seconds(steps[place], device))
    peak = peak_bytes(steps[0], device), peak_bytes(steps[1], device)
    torch.compiler.reset()  # compiled networks of before count towards the limit of recompilation
    return Measured(times, peak)


def main() -> None:
    """Reads the options, measures, and prints the table last."""
    known = [*HAND_WRITTEN, *PAIRS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=known, metavar="NETWORK", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64, help="pixels a side; those written by hand read 32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if unknown := set(options.networks) - set(known):
        parser.error(f"there is no network {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.networks:
        rows.append(measure(name, options).row(name))
        print(rows[-1], flush=True)
    on_gpu = options.device.startswith("cuda")
    machine = torch.cuda.get_device_name() if on_gpu else f"{platform.machine()}, {options.threads} thread(s)"
    print(
        f"\nForward and backward, {'compiled whole' if options.compile else 'eager'}, float32, channels_last, "
        f"batch {options.batch}, {options.size} px (by hand: 32), {machine}, torch {torch.__version__}."
        f"\nTime {'between events' if on_gpu else 'of the process'}: medians of n = {options.rounds} alternate rounds, "
        "their ratio, and the middle half of the ratios of pairs.\nMemory: the most that one step allocates.\n"
    )
    print("\n".join([HEADER, *rows]))


if __name__ == "__main__":
    main()
