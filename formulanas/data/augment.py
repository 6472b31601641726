"""Random crops and flips of whole batches, without a line of Python per image."""

import torch
from torch import Tensor
from torch.nn import functional

from formulanas.data.images import LabelledImages


class EpochBatches:
    """The batches of one epoch: order, crops and flips are drawn at its start, so that any batch can be had again."""

    def __init__(self, source: "AugmentedImages", batch_size: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        count, offsets = len(source.data), 2 * source.padding + 1
        device = source.data.images.device
        self.source, self.batch_size = source, batch_size
        self.order = torch.randperm(count, generator=generator).to(device)
        self.rows = torch.randint(offsets, (count,), generator=generator).to(device)
        self.columns = torch.randint(offsets, (count,), generator=generator).to(device)
        self.flips = torch.randint(2, (count,), generator=generator).to(device)
        if not source.flip:
            self.flips.zero_()

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W), normalised and channels_last, and labels (B,)."""
        part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        chosen = self.order[part]
        images = self.source.windows[self.flips[part], chosen, :, self.rows[part], self.columns[part]]
        normalised = self.source.data.normalise(images)
        return normalised.contiguous(memory_format=torch.channels_last), self.source.data.labels[chosen]


class AugmentedImages:
    """Images held padded, as they are and flipped; a crop is a window, so that a batch is one indexed copy."""

    def __init__(self, data: LabelledImages, padding: int, flip: bool) -> None:
        self.data, self.padding, self.flip = data, padding, flip
        padded = functional.pad(data.images, (padding,) * 4)
        both = torch.stack((padded, padded.flip(-1))) if flip else padded[None]
        _, height, width = data.shape
        self.windows = both.unfold(3, height, 1).unfold(4, width, 1)  # (2, N, C, rows, columns, H, W), a view

    def epoch(self, batch_size: int, seed: int) -> EpochBatches:
        """The batches of an epoch drawn by `seed`."""
        return EpochBatches(self, batch_size, seed)
