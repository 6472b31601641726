"""The data sets by name: images and classes, where their files are, and how missing ones are fetched and verified."""

import hashlib
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulanas.data.imagenet import IMAGENET, ImageNet
from formulanas.errors import InputError, unknown_name

DEFAULT_DATA_DIR = Path("data")
EMBEDDED = "cifar10-mini"
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


@dataclass(frozen=True)
class Packaged:
    """The embedded images (mini.py), by the mean and the deviation of the set that they are from."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True)
class Dataset:
    """A named set of images of one `shape` (C, H, W).

    Of images that are decoded when they are needed, shape and classes are what is usual.
    """

    name: str
    description: str
    num_classes: int
    shape: tuple[int, int, int]
    files: CifarFiles | ImageNet | Packaged


EMBEDDED_FILES = Packaged(CIFAR10.mean, CIFAR10.deviation)
DATASETS = {
    each.name: each
    for each in (
        Dataset(EMBEDDED, "4,000 + 1,000 images of CIFAR-10, embedded", 10, (3, 32, 32), EMBEDDED_FILES),
        Dataset("cifar10", "50,000 + 10,000 images in 10 classes", 10, (3, 32, 32), CIFAR10),
        Dataset("cifar100", "50,000 + 10,000 images in 100 classes", 100, (3, 32, 32), CIFAR100),
        Dataset("imagenet", "1,281,167 + 50,000 images in 1,000 classes", 1000, (3, 224, 224), IMAGENET),
    )
}


def dataset(name: str) -> Dataset:
    """The data set `name`."""
    if name not in DATASETS:
        raise InputError(unknown_name("data set", name, DATASETS))
    return DATASETS[name]


def is_present(name: str, data_dir: Path) -> bool:
    """Whether the training images of a data set are at hand without a download; the test files are not looked at."""
    files = dataset(name).files
    if isinstance(files, ImageNet):
        return files.is_present(data_dir)
    return isinstance(files, Packaged) or all((data_dir / files.folder / part).is_file() for part in files.train)


def fetch(name: str, data_dir: Path) -> None:
    """Downloads a data set into `data_dir` where it is missing, verifies its checksum and unpacks it.

    Raises InputError for one that cannot be downloaded, with how it can be had.
    """
    files = dataset(name).files
    if isinstance(files, Packaged) or is_present(name, data_dir):
        return
    if isinstance(files, ImageNet):
        raise InputError(files.absent(data_dir))
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
        raise InputError(
            f"{files.url} must have the MD5 {files.md5}, but has {digest.hexdigest()}; it was not unpacked"
        )
    partial.rename(archive)
    with tarfile.open(archive) as tar:
        tar.extractall(data_dir, filter="data")
    archive.unlink()


def _place(entry: Dataset, data_dir: Path) -> str:
    if isinstance(entry.files, Packaged):
        return "inside the package"
    home = entry.files.home(data_dir, "train") if isinstance(entry.files, ImageNet) else None
    return str(home or data_dir / entry.files.folder)


def catalogue(data_dir: Path) -> list[dict[str, Any]]:
    """What `formulanas data` says of every data set."""
    return [
        {
            "name": each.name,
            "description": each.description,
            "present": is_present(each.name, data_dir),
            "folder": _place(each, data_dir),
            "url": None if isinstance(each.files, Packaged) else each.files.url,
        }
        for each in DATASETS.values()
    ]
