"""Images decoded when they are needed, by processes beside the training: for data that do not fit in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from formulanas.data import colours, decode
from formulanas.data.image_files import ImageFiles
from formulanas.data.images import WHOLE, Batch, normalise
from formulanas.errors import InputError
from formulanas.recipe import Recipe
from formulanas.seeds import derive_seed

BROKEN_SHOWN = 5
Numbers = list[tuple[int, int]]  # of the images of a batch, and the seed of their crops
Crop = Callable[[bytes, np.random.Generator], decode.Pixels]


@dataclass(frozen=True)
class Reading:
    """How images are decoded: by how many processes, 0 meaning within this one, and whether broken ones are left out.

    `say` hears of each broken image that is left out, once. An evaluation sees ten crops of each image where asked.
    """

    decoders: int = 0
    skip_broken: bool = False
    ten_crops: bool = False
    say: Callable[[str], None] = field(default=lambda text: None, compare=False)


class ImageStream:
    """Encoded images for training and for evaluation, as a recipe crops them.

    The order and every draw of an epoch are functions of its seed, the crop of an image of (seed, its number): any
    batch can be had again without those before it.
    """

    def __init__(
        self,
        files: ImageFiles,
        recipe: Recipe,
        mean: tuple[float, ...],
        deviation: tuple[float, ...],
        device: torch.device,
        reading: Reading,
    ) -> None:
        self.files, self.recipe, self.device, self.reading = files, recipe, device, reading
        self.mean, self.deviation = mean, deviation
        self.num_classes = files.num_classes
        self.reported: set[str] = set()

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, batch_size: int, seed: int, begin: int = 0, part: slice = WHOLE) -> Iterator[Batch]:
        """The batches of the epoch `seed` from number `begin` on, and of each the `part`."""
        recipe = self.recipe
        if recipe.crops == "random":
            crop: Crop = _Random(recipe.image_size, recipe.crop_area)
        else:
            crop = _Central(recipe.image_size, recipe.test_share)
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).numpy()
        starts = range(begin * batch_size, len(self), batch_size)
        numbers = [[(int(i), seed) for i in order[at : at + batch_size][part]] for at in starts]
        for batch, (images, labels, places) in enumerate(self._decoded(crop, numbers), begin):
            generator = torch.Generator().manual_seed(derive_seed(seed, "batch", batch))
            whole = min(batch_size, len(self) - batch * batch_size)
            chosen = torch.arange(whole)[part][places]
            yield self._augmented(images, whole, chosen, generator), labels

    def test_batches(self, batch_size: int) -> Iterator[Batch]:
        """All images in their order, the central crop of each, or ten crops (B, 10, C, H, W)."""
        ten = self.reading.ten_crops
        crop = (_Ten if ten else _Central)(self.recipe.size_at_test, self.recipe.test_share)
        size = max(1, batch_size // 10) if ten else batch_size
        numbers = [[(i, 0) for i in range(at, min(at + size, len(self)))] for at in range(0, len(self), size)]
        for images, labels, _ in self._decoded(crop, numbers):
            flat = normalise(images.flatten(0, -4), self.mean, self.deviation)
            yield flat.contiguous(memory_format=torch.channels_last).view(images.shape), labels

    def _decoded(self, crop: Crop, numbers: Sequence[Numbers]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The batches as bytes on the device: images, labels, and places in the batch where none is broken."""
        loader: DataLoader[Any] = DataLoader(
            _Encoded(self.files, crop),
            batch_sampler=_InOrder(numbers),
            num_workers=min(self.reading.decoders, len(numbers)),
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or it would draw from the global one
        )
        for images, labels, places, broken in loader:
            self._report(broken)
            if not len(labels):
                raise InputError(f"no image of a whole batch can be read, such as {broken[0]}")
            yield self._moved(images), self._moved(labels), places

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)

    def _report(self, broken: Sequence[str]) -> None:
        fresh = [each for each in broken if each not in self.reported]
        if fresh and not self.reading.skip_broken:
            more = "" if len(fresh) <= BROKEN_SHOWN else f"\n  and {len(fresh) - BROKEN_SHOWN} more in this batch"
            listed = "".join(f"\n  {each}" for each in fresh[:BROKEN_SHOWN])
            raise InputError(
                f"{len(fresh)} of the images in {self.files.home} cannot be read:{listed}{more}\n"
                "get them again, or leave broken images out by --skip-broken"
            )
        for each in fresh:
            self.reported.add(each)
            self.reading.say(f"left out, as it cannot be read: {each}")

    def _augmented(self, images: Tensor, whole: int, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """The images of a batch flipped, changed in colour, normalised and blanked by what is drawn for the batch."""
        recipe, (height, width) = self.recipe, images.shape[2:]

        def drawn(values: Tensor) -> Tensor:
            return self._moved(values[chosen])

        if recipe.flip:
            flips = drawn(torch.randint(2, (whole,), generator=generator).bool())
            images = torch.where(flips.view(-1, 1, 1, 1), images.flip(-1), images)
        if recipe.jitter:
            factors = 1 + recipe.jitter * (2 * torch.rand(whole, 3, generator=generator) - 1)
            images = colours.jitter(images.float(), drawn(factors))
        if recipe.lighting:
            strengths = recipe.lighting * torch.randn(whole, 3, generator=generator)
            images = colours.lighting(images.float(), drawn(strengths))
        ready = normalise(images, self.mean, self.deviation)
        if recipe.cutout:
            ready = colours.blank(ready, drawn(colours.squares(whole, recipe.cutout, height, width, generator)))
        if recipe.erasing:
            patches = colours.rectangles(whole, recipe.erasing, height, width, generator)
            ready = colours.blank(ready, drawn(patches))
        return ready.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _Random:
    size: int
    area: tuple[float, float]

    def __call__(self, encoded: bytes, generator: np.random.Generator) -> decode.Pixels:
        return decode.random_crop(encoded, self.size, self.area, generator)


@dataclass(frozen=True)
class _Central:
    size: int
    share: float

    def __call__(self, encoded: bytes, generator: np.random.Generator) -> decode.Pixels:
        return decode.central_crop(encoded, self.size, self.share)


@dataclass(frozen=True)
class _Ten(_Central):
    def __call__(self, encoded: bytes, generator: np.random.Generator) -> decode.Pixels:
        return decode.ten_crops(encoded, self.size, self.share)


class _InOrder(Sampler[Numbers]):
    """The numbers of the images, batch by batch."""

    def __init__(self, numbers: Sequence[Numbers]) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[Numbers]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


class _Encoded(Dataset[Any]):
    """Images by number; what is broken comes as its name and the reason."""

    def __init__(self, files: ImageFiles, crop: Crop) -> None:
        self.files, self.crop = files, crop

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, int] | str:
        number, seed = index
        try:
            pixels = self.crop(self.files.read(number), np.random.default_rng((seed, number)))
        except UnidentifiedImageError:
            return f"{self.files.name(number)} (it is no image)"
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            return f"{self.files.name(number)} ({type(error).__name__}: {error})"
        return torch.from_numpy(np.moveaxis(pixels, -1, -3).copy()), int(self.files.labels[number])


def _collate(found: Sequence[tuple[Tensor, int] | str]) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    read = [(position, each) for position, each in enumerate(found) if not isinstance(each, str)]
    return (
        torch.stack([image for _, (image, _) in read]) if read else torch.empty(0),
        torch.tensor([label for _, (_, label) in read], dtype=torch.int64),
        torch.tensor([position for position, _ in read], dtype=torch.int64),
        tuple(each for each in found if isinstance(each, str)),
    )
