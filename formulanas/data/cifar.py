"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from their official binary files, fetched and verified where missing."""

import hashlib
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from formulanas.data.images import LabelledImages
from formulanas.errors import InputError

IMAGE_BYTES = 3 * 32 * 32
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class CifarFiles:
    """Where one of the sets lies: its folder, its records, and the archive that it comes in."""

    folder: str
    train: dict[str, int]  # file name -> number of records
    test: dict[str, int]
    label_bytes: int  # before each image; the last of them is the class
    num_classes: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    url: str
    md5: str


CIFAR10 = CifarFiles(
    folder="cifar-10-batches-bin",
    train={f"data_batch_{i}.bin": 10_000 for i in range(1, 6)},
    test={"test_batch.bin": 10_000},
    label_bytes=1,
    num_classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    deviation=(0.2470, 0.2435, 0.2616),
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)
CIFAR100 = CifarFiles(
    folder="cifar-100-binary",
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
    label_bytes=2,
    num_classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    deviation=(0.2673, 0.2564, 0.2762),
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
)


def read(files: CifarFiles, parts: dict[str, int], data_dir: Path) -> LabelledImages:
    """The records of `parts`, files of one set in `data_dir`. Raises InputError for files that are missing or cut short."""
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


def is_present(files: CifarFiles, data_dir: Path) -> bool:
    """Whether all training files of the set are in `data_dir`; the test files are not looked at."""
    return all((data_dir / files.folder / name).is_file() for name in files.train)


def fetch(files: CifarFiles, data_dir: Path) -> None:
    """Downloads the set's archive, verifies its checksum and unpacks it into `data_dir`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    archive = data_dir / files.url.rpartition("/")[2]
    partial = archive.with_suffix(".partial")
    try:
        with urllib.request.urlopen(files.url, timeout=TIMEOUT_SECONDS) as response, partial.open("wb") as out:
            digest = hashlib.md5(usedforsecurity=False)
            while block := response.read(1 << 20):
                digest.update(block)
                out.write(block)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{files.url} cannot be fetched ({error}). Without a network, use the embedded images (--dataset "
            f"cifar10-mini), or put {files.folder}/ from that archive into {data_dir}, or name its folder by --data-dir"
        ) from None
    if digest.hexdigest() != files.md5:
        partial.unlink()
        raise InputError(f"{files.url} must have the MD5 {files.md5}, but has {digest.hexdigest()}; it was not unpacked")
    partial.rename(archive)
    with tarfile.open(archive) as tar:
        tar.extractall(data_dir, filter="data")
    archive.unlink()
