"""Random crops, flips and blanked squares of whole batches, without a line of Python per image."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from formulanas.data.colours import blank, rectangles, squares
from formulanas.data.images import WHOLE, Batch, LabelledImages
from formulanas.recipe import Recipe


class EpochBatches:
    """The batches of one epoch: all chance is drawn at its start, so that any batch can be had again."""

    def __init__(self, source: "AugmentedImages", batch_size: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        count, offsets = len(source.data), 2 * source.padding + 1
        _, height, width = source.data.shape
        device = source.device
        self.source, self.batch_size = source, batch_size
        self.order = torch.randperm(count, generator=generator).to(device)
        self.rows = torch.randint(offsets, (count,), generator=generator).to(device)
        self.columns = torch.randint(offsets, (count,), generator=generator).to(device)
        self.flips = torch.randint(2, (count,), generator=generator).to(device)
        if not source.flip:
            self.flips.zero_()
        self.patches = []
        if source.cutout:
            self.patches.append(squares(count, source.cutout, height, width, generator).to(device))
        if source.erasing:
            self.patches.append(rectangles(count, source.erasing, height, width, generator).to(device))

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, batch: int) -> Batch:
        """Images (B, C, H, W), normalised and channels_last, and labels (B,)."""
        return self.part(batch, WHOLE)

    def part(self, batch: int, part: slice) -> Batch:
        """A part of a batch."""
        whole = torch.arange(batch * self.batch_size, min((batch + 1) * self.batch_size, len(self.order)))
        mine = whole[part].to(self.order.device) if part != WHOLE else slice(int(whole[0]), int(whole[-1]) + 1)
        chosen = self.order[mine]
        images = self.source.windows[self.flips[mine], chosen, :, self.rows[mine], self.columns[mine]]
        images = self.source.data.normalise(images.contiguous(memory_format=torch.channels_last))
        for patches in self.patches:
            images = blank(images, patches[mine])
        return images, self.source.data.labels[chosen]


class AugmentedImages:
    """Images held padded, as they are and flipped; a crop is a window, so that a batch is one indexed copy."""

    def __init__(
        self,
        data: LabelledImages,
        padding: int,
        flip: bool,
        edge: bool = False,
        cutout: int = 0,
        erasing: float = 0.0,
    ) -> None:
        self.data, self.padding, self.flip, self.cutout, self.erasing = data, padding, flip, cutout, erasing
        self.num_classes, self.device = data.num_classes, data.images.device
        if edge:
            _, height, width = data.shape
            down = torch.arange(-padding, height + padding, device=self.device).clamp(0, height - 1)
            across = torch.arange(-padding, width + padding, device=self.device).clamp(0, width - 1)
            padded = data.images[:, :, down][..., across]
        else:
            padded = functional.pad(data.images, (padding,) * 4)
        both = torch.stack((padded, padded.flip(-1))) if flip else padded[None]
        _, height, width = data.shape
        self.windows: Tensor = both.unfold(3, height, 1).unfold(4, width, 1)  # (2, N, C, rows, columns, H, W), a view

    @classmethod
    def by(cls, recipe: Recipe, data: LabelledImages) -> "AugmentedImages":
        """`data` as `recipe` has it."""
        edge = recipe.padding == "edge"
        return cls(data, recipe.crop_padding, recipe.flip, edge, recipe.cutout, recipe.erasing)

    def __len__(self) -> int:
        return len(self.data)

    def epoch(self, batch_size: int, seed: int) -> EpochBatches:
        """The batches of an epoch drawn by `seed`."""
        return EpochBatches(self, batch_size, seed)

    def batches(self, batch_size: int, seed: int, begin: int = 0, part: slice = WHOLE) -> Iterator[Batch]:
        """The batches of the epoch `seed` from number `begin` on, and of each the `part`."""
        epoch = self.epoch(batch_size, seed)
        return (epoch.part(batch, part) for batch in range(begin, len(epoch)))
