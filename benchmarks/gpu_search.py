"""Proxy training on a GPU: steps replayed as CUDA graphs against steps launched one by one, and workers side by side.

`python benchmarks/gpu_search.py [--data-dir DIR] [--dataset cifar10] [--steps 60] [--rounds 5] [--workers 1,2,4,8]`.
First, alternately in one process, the median time of a step of each network, and how far the losses of the two ways
are apart after their first epoch. Then the trainings a minute that one GPU carries out with so many worker processes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import torch

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.data.images import LabelledImages
from formulanas.data.training_set import read_training_set
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.search.executors.local import WorkerPool
from formulanas.search.executors.task import Message, Task
from formulanas.search.space.proxy import Proxy, resolve_proxy
from formulanas.search.space.settings import ProxySettings
from formulanas.training.training import Training

FORMULAS = ("resnet", "resnet-s", "accumulated", "multi-residual")
BACKBONES = {  # with the size of a batch
    "32-64-128": (Backbone((32, 64, 128), (2, 2, 2)), 256),
    "16-32-64, stride 2": (Backbone((16, 32, 64), (2, 2, 2), stem_stride=2), 512),
}


def steps(training: Training) -> Callable[[int], float]:
    """A function that trains for so many steps, over and over the same epoch, and returns the seconds of one."""
    batches = cycle(list(training.images.batches(training.recipe.batch_size, 0))[:-1])

    def run(count: int) -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(count):
            training.train_step(*next(batches))
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / count

    return run


def compare(proxy: Proxy, data: LabelledImages, num_steps: int, rounds: int) -> None:
    """Prints a line for each network: milliseconds a step each way, their ratio, and the losses of an epoch."""
    print(f"{'network':<36} launched  replayed  ratio  loss of an epoch: launched, replayed")
    for name, (backbone, batch_size) in BACKBONES.items():
        recipe = replace(proxy.recipe, batch_size=batch_size, epochs=max(proxy.recipe.epochs, 50))
        for formula in FORMULAS:

            def training(replayed: bool, formula=formula, backbone=backbone, recipe=recipe) -> Training:  # type: ignore[no-untyped-def]
                architecture = Architecture(bind_formula(formula), backbone, data.shape, data.num_classes)
                return Training(build(architecture, 0), data, recipe, 0, replayed=replayed)

            losses = [next(iter(training(way).run())).train_loss for way in (False, True)]
            ways = [steps(training(way)) for way in (False, True)]
            for way in ways:
                way(10)
            pairs = [[way(num_steps) for way in ways] for _ in range(rounds)]
            launched, replayed = (1000 * statistics.median(each) for each in zip(*pairs, strict=True))
            ratio = statistics.median(first / second for first, second in pairs)
            print(
                f"{f'{formula}, {name}':<36} {launched:>8.2f} {replayed:>9.2f} {ratio:>6.2f}  "
                f"{losses[0]:.4f} {losses[1]:.4f}",
                flush=True,
            )


@dataclass
class Trainings:
    """A source of `count` equal trainings."""

    proxy: Proxy
    count: int
    given: int = 0
    failed: str = ""

    def next(self) -> Task | None:
        """The next of them."""
        if self.given == self.count:
            return None
        self.given += 1
        formula = bind_formula(FORMULAS[self.given % len(FORMULAS)]).text
        return Task(self.given, f"{self.given}", formula, self.proxy.backbone, self.proxy.recipe, self.given, 0)

    def handle(self, number: int, message: Message) -> bool:
        """Goes on whatever is said."""
        self.failed = self.failed or message.reason
        return True


def throughput(proxy: Proxy, workers: list[int], each: int) -> None:
    """Prints the trainings a minute by so many workers, `each` trainings for each worker; starting is not counted."""
    for name, (backbone, batch_size) in BACKBONES.items():
        chosen = replace(proxy, backbone=backbone, recipe=replace(proxy.recipe, batch_size=batch_size))
        for count in workers:
            with closing(WorkerPool(chosen, count)) as pool:
                warm = Trainings(replace(chosen, recipe=chosen.recipe.scaled(1)), count)
                pool.run(warm)
                started = time.perf_counter()
                work = Trainings(chosen, each * count)
                pool.run(work)
                seconds = time.perf_counter() - started
            print(
                f"{name:<20} {count:>3} workers  {60 * each * count / seconds:>7.1f} trainings a minute  "
                f"{work.failed or warm.failed}",
                flush=True,
            )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--each", type=int, default=2, help="trainings of each worker")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("there is no GPU here")
    proxy = resolve_proxy(ProxySettings(dataset=options.dataset, recipe={"epochs": options.epochs}), options.data_dir)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {proxy.dataset}")
    data = read_training_set(proxy.dataset, Path(proxy.data_dir)).to(torch.device("cuda"))
    compare(proxy, data, options.steps, options.rounds)
    print(f"trainings of {options.epochs} epochs")
    throughput(proxy, [int(each) for each in options.workers.split(",")], options.each)


if __name__ == "__main__":
    main()
