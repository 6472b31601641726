"""The training images of the data sets. Their test images are in test_set.py, which no search imports."""

from pathlib import Path
from typing import assert_never

import torch

from formulanas.data import cifar, mini
from formulanas.data.augment import AugmentedImages
from formulanas.data.catalogue import DATASETS, CifarFiles, Packaged, dataset
from formulanas.data.imagenet import ImageNet
from formulanas.data.images import LabelledImages, TrainingImages
from formulanas.data.stream import ImageStream, Reading
from formulanas.errors import InputError
from formulanas.recipe import Recipe


def read_training_set(name: str, data_dir: Path) -> LabelledImages:
    """The training images of a data set, in memory. Raises InputError where they are missing, or do not fit."""
    files = dataset(name).files
    match files:
        case Packaged():
            return mini.read("train")
        case CifarFiles():
            return cifar.read(files, files.train, data_dir)
        case ImageNet():
            held = ", ".join(each.name for each in DATASETS.values() if not isinstance(each.files, ImageNet))
            raise InputError(f"{name} is decoded while it is trained on, not held in memory; here, use one of {held}")
        case _:
            assert_never(files)


def open_training_images(
    name: str, data_dir: Path, recipe: Recipe, device: torch.device, reading: Reading
) -> TrainingImages:
    """The training images as `recipe` draws them, held on `device` where they fit, else decoded as they are needed."""
    files = dataset(name).files
    match files:
        case ImageNet():
            found = files.images(data_dir, "train")
            return ImageStream(found, recipe, files.mean, files.deviation, device, reading)
        case _:
            return AugmentedImages.by(recipe, read_training_set(name, data_dir).to(device))
