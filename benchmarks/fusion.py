"""Residual functions run as one wider one against one by one, forward and backward: ratios of medians, in one process.

`python benchmarks/fusion.py [--rounds 9] [--batch 64] [--threads 1] [--quick]`. First single groups of k functions for
two families of widths, then whole multi-residual networks with the groups fused that the measurement chose. A ratio
above 1 says that fusing is faster.
"""

import argparse
import platform
import statistics
import time

import torch
from memory_format import laid_out
from torch import Tensor, nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.formula.bind import bind
from formulanas.network.fusion import fuse, fuse_where_faster, fusible, measure
from formulanas.network.network import Network, build

FORMULA = "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))"
WIDTHS = {"16-64": (16, 32, 64), "64-512": (64, 128, 256, 512)}
TRANSFORMS = ("basic", "preactivation", "bottleneck", "preactivation_bottleneck")


def network(widths: tuple[int, ...], depth: int, transform: str, k: int, device: torch.device) -> Network:
    """A multi-residual network for images of 32x32, in the memory format of a training."""
    backbone = Backbone(widths, (depth,) * len(widths), transform=transform)
    built = build(Architecture(bind(FORMULA, {"k": k}), backbone, (3, 32, 32), 10), seed=0)
    return laid_out(built.to(device), torch.channels_last)


def groups(images: Tensor, rounds: int, quick: bool) -> None:
    """Prints, for each k, the ratio of every distinct group of branches."""
    print("one group, unfused / fused: median (lower quartile) of pairs, at the input's channels x side")
    for family, widths in WIDTHS.items():
        for transform in TRANSFORMS[:2] if quick else TRANSFORMS:
            for k in (2, 3, 4, 8) if family == "16-64" else (2, 3, 4):
                found = measure(network(widths, 2, transform, k, images.device), images, rounds)
                cells = {
                    f"{each.shape[1]}x{each.shape[2]} {each.median:.2f} ({each.low:.2f})": each.is_faster
                    for each in found
                }
                text = "  ".join(f"{cell}{'*' if chosen else ' '}" for cell, chosen in cells.items())
                print(f"{family:<7}{transform:<25}k {k}  {text}", flush=True)


def step_seconds(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The time of one forward and backward pass; on a CPU that of the process."""
    clock = time.perf_counter if images.is_cuda or torch.get_num_threads() > 1 else time.process_time
    wait = torch.cuda.synchronize if images.is_cuda else int
    wait()
    started = clock()
    nn.functional.cross_entropy(network(images), labels).backward()
    network.zero_grad()
    wait()
    return clock() - started


def whole(widths: tuple[int, ...], transform: str, k: int, images: Tensor, rounds: int) -> None:
    """Prints what fusing all groups, and those that were measured to be faster, gains for a whole network."""
    plain, all_fused, chosen = (network(widths, 3, transform, k, images.device) for _ in range(3))
    fuse(all_fused, fusible(all_fused.architecture.plan))
    found = fuse_where_faster(chosen, images)
    labels = torch.randint(10, (len(images),), device=images.device)
    networks = {"plain": plain, "all": all_fused, "chosen": chosen}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for each in networks.values():
        step_seconds(each, images, labels)  # a warm-up
    for _ in range(rounds):
        for name, each in networks.items():
            times[name].append(step_seconds(each, images, labels))
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(
        f"{'-'.join(map(str, widths)):<15}{transform:<25}k {k}  unfused {1000 * medians['plain']:7.1f} ms  "
        f"unfused / all fused {medians['plain'] / medians['all']:.3f}  "
        f"unfused / chosen {medians['plain'] / medians['chosen']:.3f}  "
        f"({sum(each.is_faster for each in found)} of {len(found)} groups)",
        flush=True,
    )


def main() -> None:
    """Reads the options and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two transforms, and the narrow networks alone as a whole")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    images = torch.randn(options.batch, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        print(f"{name}, {options.threads} thread(s), torch {torch.__version__}")
        print(f"batch {options.batch}, n = {options.rounds}, * where the measurement chooses to fuse")
        groups(images, options.rounds, options.quick)
        print("whole networks of three blocks a stage, ratio of medians")
        for widths in [(4, 8), (8, 16, 32), WIDTHS["16-64"], *([] if options.quick else [WIDTHS["64-512"]])]:
            for transform in TRANSFORMS[:2]:
                for k in (2, 4):
                    whole(widths, transform, k, images, options.rounds)


if __name__ == "__main__":
    main()
