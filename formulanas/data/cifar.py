"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read from their official binary files."""

from pathlib import Path

import numpy as np
import torch

from formulanas.data.catalogue import CifarFiles
from formulanas.data.images import LabelledImages
from formulanas.errors import InputError

IMAGE_BYTES = 3 * 32 * 32


def read(files: CifarFiles, parts: dict[str, int], data_dir: Path) -> LabelledImages:
    """The records of `parts`, files of one set. Raises InputError for files that are missing or cut short."""
    images, labels = [], []
    for name, count in parts.items():
        path = data_dir / files.folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing; `formulanas data` says how to get it")
        records = np.fromfile(path, dtype=np.uint8)
        width = files.label_bytes + IMAGE_BYTES
        if len(records) != count * width:
            raise InputError(f"{path} must have {count * width:,} bytes, but has {len(records):,}; fetch it again")
        table = records.reshape(count, width)
        labels.append(table[:, files.label_bytes - 1])
        images.append(table[:, files.label_bytes :].reshape(count, 3, 32, 32))
    return LabelledImages(
        torch.from_numpy(np.concatenate(images)),
        torch.from_numpy(np.concatenate(labels).astype(np.int64)),
        files.num_classes,
        files.mean,
        files.deviation,
    )
