"""The embedded images: a class-balanced cut of CIFAR-10 inside the package, so that a first run needs no network."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from formulanas.data.catalogue import CIFAR10
from formulanas.data.images import LabelledImages

FOLDER = Path(__file__).parent / "cifar10-mini"
TILES_A_ROW = 50


def read(part: str) -> LabelledImages:
    """The `train` (4,000 images) or `test` (1,000 images) part: a lossless sheet of tiles, and their labels."""
    labels = np.load(FOLDER / f"{part}-labels.npy")
    sheet = np.asarray(Image.open(FOLDER / f"{part}.webp").convert("RGB"))
    tiles = sheet.reshape(-1, 32, TILES_A_ROW, 32, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32)
    return LabelledImages(
        torch.from_numpy(tiles.copy()),
        torch.from_numpy(labels.astype(np.int64)),
        CIFAR10.num_classes,
        CIFAR10.mean,
        CIFAR10.deviation,
    )


def cut(data: LabelledImages, part: str, per_class: int, folder: Path = FOLDER) -> None:
    """Writes the first `per_class` images of every class of `data`, in their order, as a part of the embedded set."""
    chosen = torch.cat([(data.labels == label).nonzero()[:per_class, 0] for label in range(data.num_classes)]).sort()[0]
    tiles = data.images[chosen].numpy().reshape(-1, TILES_A_ROW, 3, 32, 32)
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(-1, TILES_A_ROW * 32, 3)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(folder / f"{part}.webp", lossless=True, quality=100, method=6)
    np.save(folder / f"{part}-labels.npy", data.labels[chosen].numpy().astype(np.uint8))
