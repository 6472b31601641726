"""Labelled images as uint8 tensors, their split into parts, and what a training and an evaluation ask of any images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]  # images (B, C, H, W), normalised and channels_last, and labels (B,)
WHOLE = slice(None)


class TrainingImages(Protocol):
    """Images to train on: each epoch is drawn by a seed, and can be had again from any of its batches on."""

    num_classes: int
    device: torch.device

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, seed: int, begin: int = 0, part: slice = WHOLE) -> Iterator[Batch]:
        """The batches of the epoch `seed` from number `begin` on, and of each the `part`.

        `slice(r, None, w)` is the part of the process r of w that train one network together.
        """
        ...


class EvaluationImages(Protocol):
    """Images to evaluate on, in a fixed order; several crops of each have the shape (B, crops, C, H, W)."""

    def __len__(self) -> int: ...

    def test_batches(self, batch_size: int) -> Iterator[Batch]:
        """All images, once."""
        ...


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, C, H, W) uint8, labels (N,) int64, and the per-channel mean and deviation to normalise by."""

    images: Tensor
    labels: Tensor
    num_classes: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> "LabelledImages":
        """The same images held on `device`."""
        return self.select(self.images.to(device), self.labels.to(device))

    def select(self, images: Tensor, labels: Tensor) -> "LabelledImages":
        """Other images of the same kind."""
        return LabelledImages(images, labels, self.num_classes, self.mean, self.deviation)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) uint8 as floats of mean 0 and deviation 1 per channel."""
        return normalise(images, self.mean, self.deviation)

    def test_batches(self, batch_size: int) -> Iterator[Batch]:
        """All images in their order."""
        for begin in range(0, len(self), batch_size):
            part = slice(begin, begin + batch_size)
            yield self.normalise(self.images[part]).contiguous(memory_format=torch.channels_last), self.labels[part]


def normalise(images: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    """Images (N, C, H, W) of values up to 255 as floats of `mean` 0 and `deviation` 1, both shares of 255."""
    middle, scale = _middle_and_scale(mean, deviation, images.device)
    return (images.float() - middle) * scale


@lru_cache(maxsize=64)
def _middle_and_scale(
    mean: tuple[float, ...], deviation: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Both as (1, C, 1, 1), kept on the device: to bring them there for each batch would wait for all before it."""
    with torch.inference_mode(False):
        middle, spread = (torch.tensor(each, device=device).view(1, -1, 1, 1) * 255 for each in (mean, deviation))
        return middle, 1 / spread


def split(data: LabelledImages, held_out: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """`data` in two: all but, and the share `held_out` of every class, drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data), generator=generator)
    chosen = torch.zeros(len(data), dtype=torch.bool)
    for label in range(data.num_classes):
        members = order[data.labels[order] == label]
        chosen[members[: round(held_out * len(members))]] = True
    return (
        data.select(data.images[~chosen], data.labels[~chosen]),
        data.select(data.images[chosen], data.labels[chosen]),
    )
