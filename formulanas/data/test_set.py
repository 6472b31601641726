"""The test images of the data sets. Only a retraining imports this module, and opens them once per trained model."""

from pathlib import Path

from formulanas.data import cifar, mini
from formulanas.data.catalogue import dataset
from formulanas.data.images import LabelledImages


def read_test_set(name: str, data_dir: Path) -> LabelledImages:
    """The test images of a data set. Raises InputError where they are missing."""
    files = dataset(name).files
    return mini.read("test") if files is None else cifar.read(files, files.test, data_dir)
