"""A cut of the embedded images for trainings whose images are not the fact: 400 to train on, 100 for the test."""

from pathlib import Path

import numpy as np
from PIL import Image

from formulanas.data import mini


def write_few_images(folder: Path) -> Path:
    """Writes the first rows of the embedded sheets, and their labels."""
    for part, rows in (("train", 8), ("test", 2)):
        sheet = Image.open(mini.FOLDER / f"{part}.webp").crop((0, 0, 32 * mini.TILES_A_ROW, 32 * rows))
        sheet.save(folder / f"{part}.webp", lossless=True, method=0)
        labels = np.load(mini.FOLDER / f"{part}-labels.npy")
        np.save(folder / f"{part}-labels.npy", labels[: rows * mini.TILES_A_ROW])
    return folder


def with_few_images(folder: Path) -> str:
    """A program that is the command with the images of `folder` in place of the embedded ones."""
    return (
        "from pathlib import Path\n"
        "from formulanas.data import mini\n"
        "from formulanas.cli.main import run\n"
        f"mini.FOLDER = Path({str(folder)!r})\n"
        "run()\n"
    )
