"""The data sets by name, for training and validation. Their test images are in test_set.py, which no search imports."""

from dataclasses import dataclass
from pathlib import Path

from formulanas.data import cifar, mini
from formulanas.data.images import LabelledImages
from formulanas.errors import InputError, unknown_name

DEFAULT_DATA_DIR = Path("data")


@dataclass(frozen=True)
class Dataset:
    """A named set: None for `files` where it ships inside the package."""

    name: str
    description: str
    num_classes: int
    shape: tuple[int, int, int]
    files: cifar.CifarFiles | None


DATASETS = {
    each.name: each
    for each in (
        Dataset("cifar10-mini", "4,000 + 1,000 images of CIFAR-10, embedded", 10, (3, 32, 32), None),
        Dataset("cifar10", "50,000 + 10,000 images in 10 classes", 10, (3, 32, 32), cifar.CIFAR10),
        Dataset("cifar100", "50,000 + 10,000 images in 100 classes", 100, (3, 32, 32), cifar.CIFAR100),
    )
}


def dataset(name: str) -> Dataset:
    """The data set `name`."""
    if name not in DATASETS:
        raise InputError(unknown_name("data set", name, DATASETS))
    return DATASETS[name]


def is_present(name: str, data_dir: Path) -> bool:
    """Whether the training images of a data set are at hand without a download."""
    files = dataset(name).files
    return files is None or cifar.is_present(files, data_dir)


def fetch(name: str, data_dir: Path) -> None:
    """Downloads a data set into `data_dir` where it is missing."""
    files = dataset(name).files
    if files is not None and not cifar.is_present(files, data_dir):
        cifar.fetch(files, data_dir)


def training_images(name: str, data_dir: Path) -> LabelledImages:
    """The training images of a data set. Raises InputError where they are missing."""
    files = dataset(name).files
    return mini.read("train") if files is None else cifar.read(files, files.train, data_dir)
