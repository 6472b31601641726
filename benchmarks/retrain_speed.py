"""Images a second of a retraining, and of plain training loops as one writes them by hand, alternately in one process.

`python benchmarks/retrain_speed.py [--steps 10] [--rounds 7] [--data-dir DIR] [--compile]`. All train one ResNet-20
with the `cifar` recipe: ours, through the loop that `retrain` runs; `per image`, a DataLoader whose images are cropped
and flipped one by one; `batched`, which crops whole batches of tensors; and `tuned`, which does so in channels_last
with a fused optimizer, as ours does. On CPUs process time counts, on a GPU time by the clock, in bfloat16 for all.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from memory_format import laid_out
from network_speed import HandWritten
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbones import backbone
from formulanas.data.catalogue import is_present
from formulanas.data.images import LabelledImages
from formulanas.data.training_set import read_training_set
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.recipe import RECIPES
from formulanas.training.training import Training

RECIPE = RECIPES["cifar"]
Batches = Iterator[tuple[Tensor, Tensor]]


class PerImage(Dataset[tuple[Tensor, int]]):
    """Padded crop, flip and normalisation of one image after the other."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data
        self.mean, self.deviation = (torch.tensor(each).view(3, 1, 1) for each in (data.mean, data.deviation))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image = functional.pad(self.data.images[i], (4, 4, 4, 4))
        row, column = torch.randint(9, (2,)).tolist()
        image = image[:, row : row + 32, column : column + 32]
        if torch.rand(()) < 0.5:
            image = image.flip(-1)
        return (image.float() / 255 - self.mean) / self.deviation, int(self.data.labels[i])


def per_image(data: LabelledImages) -> Batches:
    """The batches of a DataLoader, epoch after epoch."""
    loader = DataLoader(PerImage(data), batch_size=RECIPE.batch_size, shuffle=True)
    while True:
        yield from loader


def batched(data: LabelledImages, device: torch.device) -> Batches:
    """Batches of tensors on the device; a batch shares its crop's offsets, each image its own flip."""
    padded = functional.pad(data.normalise(data.images), (4, 4, 4, 4)).to(device)
    labels = data.labels.to(device)
    while True:
        for chosen in torch.randperm(len(data), device=device).split(RECIPE.batch_size):
            row, column = torch.randint(9, (2,)).tolist()
            images = padded[chosen, :, row : row + 32, column : column + 32]
            flips = torch.rand(len(chosen), device=device) < 0.5
            yield torch.where(flips[:, None, None, None], images.flip(-1), images), labels[chosen]


def by_hand(batches: Batches, device: torch.device, tuned: bool = False) -> Callable[[int], None]:
    """A plain loop, as so many steps."""
    layout = torch.channels_last if tuned else torch.contiguous_format
    network = laid_out(HandWritten(subtract=False).to(device), layout)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=RECIPE.learning_rate,
        momentum=RECIPE.momentum,
        weight_decay=RECIPE.weight_decay,
        fused=tuned,
    )

    def train(steps: int) -> None:
        network.train()
        for _ in range(steps):
            images, labels = next(batches)
            images, labels = images.to(device).contiguous(memory_format=layout), labels.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return train


def ours(data: LabelledImages, device: torch.device, compiled: bool) -> Callable[[int], None]:
    """The loop of `retrain`, as so many steps."""
    network = build(Architecture(bind_formula("resnet"), backbone("cifar-resnet-20"), (3, 32, 32), 10), seed=0)
    training = Training(network, data.to(device), RECIPE, seed=0)
    if compiled:
        training.forward = torch.compile(training.network)

    def epochs() -> Iterator[None]:
        for epoch in range(RECIPE.epochs):
            for images, labels in training.images.batches(RECIPE.batch_size, epoch):
                training.train_step(images, labels)
                yield

    steps_taken = epochs()

    def train(steps: int) -> None:
        for _ in range(steps):
            next(steps_taken)

    return train


def main() -> None:
    """Reads the options and prints a line for each loop, with the ratio to each of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--compile", action="store_true", help="compile our network")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = "cifar10" if is_present("cifar10", options.data_dir) else "cifar10-mini"
    data = read_training_set(name, options.data_dir)
    loops = {
        "ours": ours(data, device, options.compile),
        "per image": by_hand(per_image(data), device),
        "batched": by_hand(batched(data, device), device),
        "tuned": by_hand(batched(data, device), device, tuned=True),
    }

    def clock() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    for loop in loops.values():
        loop(3)  # a warm-up
    speeds: dict[str, list[float]] = {each: [] for each in loops}
    for _ in range(options.rounds):
        for each, loop in loops.items():
            started = clock()
            loop(options.steps)
            speeds[each].append(options.steps * RECIPE.batch_size / (clock() - started))
    print(
        f"ResNet-20 on {name}, {device}, {options.threads} thread(s), torch {torch.__version__}, n = {options.rounds}"
    )
    for each, values in speeds.items():
        pairs = [a / b for a, b in zip(speeds["ours"], values, strict=True)]
        ratio = statistics.median(speeds["ours"]) / statistics.median(values)
        span = f"ours is {ratio:.3f} times as fast (pairs {min(pairs):.3f} to {max(pairs):.3f})"
        print(f"{each:<10} {statistics.median(values):8.0f} images/s" + ("" if each == "ours" else f"   {span}"))


if __name__ == "__main__":
    main()
