"""The training images of the data sets. Their test images are in test_set.py, which no search imports."""

from pathlib import Path

from formulanas.data import cifar, mini
from formulanas.data.catalogue import dataset
from formulanas.data.images import LabelledImages


def read_training_set(name: str, data_dir: Path) -> LabelledImages:
    """The training images of a data set. Raises InputError where they are missing."""
    files = dataset(name).files
    return mini.read("train") if files is None else cifar.read(files, files.train, data_dir)
