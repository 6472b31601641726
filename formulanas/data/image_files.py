"""A list of encoded images, each a file or a part of one, small enough to be shared by many processes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulanas.errors import InputError

SUFFIXES = {".jpeg", ".jpg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class ImageFiles:
    """Images by number, in arrays without an object for each: these would be copied into every process that reads.

    The image i is the file names[i] in the folder groups[group[i]]; or, where there are `offsets`, so many bytes from
    there on in the shard groups[group[i]].
    """

    home: Path
    groups: tuple[str, ...]  # folders or shards
    group: NDArray[np.int32]
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    num_classes: int
    offsets: NDArray[np.int64] | None = None
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, number: int) -> str:
        """How messages call an image."""
        group = self.groups[self.group[number]]
        return f"{group}{'/' if self.offsets is None else ': '}{os.fsdecode(self.names[number])}"

    def read(self, number: int) -> bytes:
        """The bytes of an image. Raises OSError where they are missing."""
        folder = self.home / self.groups[self.group[number]]
        if self.offsets is None or self.sizes is None:
            return Path(folder, os.fsdecode(self.names[number])).read_bytes()
        with folder.open("rb") as shard:
            shard.seek(int(self.offsets[number]))
            found: bytes = shard.read(int(self.sizes[number]))
        if len(found) < self.sizes[number]:
            raise OSError(f"the shard ends within the image, after {len(found):,} of {self.sizes[number]:,} bytes")
        return found


def image_files(home: Path, groups: Sequence[str], rows: Sequence[tuple[Any, ...]], num_classes: int) -> ImageFiles:
    """The list of `rows`: group, name, label and, in a shard, offset and size."""
    columns = list(zip(*rows, strict=True))
    parts = [np.array(each, dtype=np.int64) for each in columns[3:]]
    return ImageFiles(
        home,
        tuple(groups),
        np.array(columns[0], dtype=np.int32),
        np.array([os.fsencode(name) for name in columns[1]]),
        np.array(columns[2], dtype=np.int64),
        num_classes,
        *parts,
    )


def list_folders(home: Path, part: str, classes: Sequence[str] | None = None) -> ImageFiles:
    """The images in `home`/`part`, a folder for each class; the classes are numbered in the order of their names.

    `classes` are those of the training, which others must be among.
    """
    folder = home / part
    found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    known = {name: label for label, name in enumerate(found if classes is None else classes)}
    if not found:
        raise InputError(f"{folder} must have a folder for each class, with its images, but has no folders")
    strange = [name for name in found if name not in known]
    if strange:
        raise InputError(f"the classes of {folder} must be among those of the training, but {strange[0]} is not")
    groups = [f"{part}/{name}" for name in found]
    rows = []
    for group, name in enumerate(found):
        images = sorted(each.name for each in os.scandir(folder / name) if Path(each.name).suffix.lower() in SUFFIXES)
        if not images:
            raise InputError(f"{folder / name} has no images ({', '.join(sorted(SUFFIXES))}); remove it or fill it")
        rows += [(group, image, known[name]) for image in images]
    return image_files(home, groups, rows, len(known))
