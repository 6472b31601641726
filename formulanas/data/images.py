"""Labelled images as uint8 tensors, and their split into parts with every class in proportion."""

from dataclasses import dataclass

import torch
from torch import Tensor


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
        mean = torch.tensor(self.mean, device=images.device).view(1, -1, 1, 1) * 255
        scale = 1 / (torch.tensor(self.deviation, device=images.device).view(1, -1, 1, 1) * 255)
        return (images.float() - mean) * scale


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
