"""The test images of the data sets. Only a retraining imports this module, and opens them once per trained model."""

from pathlib import Path
from typing import assert_never

import torch

from formulanas.data import cifar, mini
from formulanas.data.catalogue import CifarFiles, Packaged, dataset
from formulanas.data.imagenet import ImageNet
from formulanas.data.images import LabelledImages
from formulanas.data.stream import ImageStream, Reading
from formulanas.recipe import Recipe


def read_test_set(name: str, data_dir: Path) -> LabelledImages:
    """The test images of a data set, in memory. Raises InputError where they are missing."""
    files = dataset(name).files
    match files:
        case Packaged():
            return mini.read("test")
        case CifarFiles():
            return cifar.read(files, files.test, data_dir)
        case ImageNet():
            raise AssertionError(name)
        case _:
            assert_never(files)


def open_test_images(
    name: str, data_dir: Path, recipe: Recipe, device: torch.device, reading: Reading
) -> LabelledImages | ImageStream:
    """The test images, held on `device` where they fit, else decoded as `recipe` crops them.

    Of ImageNet they are what its authors call validation images.
    """
    files = dataset(name).files
    match files:
        case ImageNet():
            found = files.images(data_dir, "val")
            return ImageStream(found, recipe, files.mean, files.deviation, device, reading)
        case _:
            return read_test_set(name, data_dir).to(device)
