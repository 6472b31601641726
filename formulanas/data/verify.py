"""Whether a data set is whole: every file as long as it must be, or every image decoded once."""

import os
from pathlib import Path

import torch

from formulanas.data.catalogue import dataset
from formulanas.data.imagenet import ImageNet
from formulanas.data.stream import ImageStream, Reading
from formulanas.data.test_set import read_test_set
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.recipe import Recipe

SMALL = Recipe(epochs=1, image_size=8)  # all of an image is decoded, whatever is kept of it
BATCH_SIZE = 64
NAMES_SHOWN = 20


def verify(name: str, data_dir: Path) -> str:
    """What a data set that lies in `data_dir` has, in words. Raises InputError with the names of what is broken."""
    files = dataset(name).files
    if not isinstance(files, ImageNet):
        sizes = len(read_training_set(name, data_dir)), len(read_test_set(name, data_dir))
        return f"{sizes[0]:,} training and {sizes[1]:,} test images, complete"
    broken: list[str] = []
    reading = Reading(len(os.sched_getaffinity(0)), skip_broken=True, say=broken.append)
    listed = [files.images(data_dir, "train"), files.images(data_dir, "val")]
    for part in listed:
        images = ImageStream(part, SMALL, files.mean, files.deviation, torch.device("cpu"), reading)
        for _ in images.test_batches(BATCH_SIZE):
            pass
    if broken:
        more = f"\n  and {len(broken) - NAMES_SHOWN} more" if len(broken) > NAMES_SHOWN else ""
        raise InputError("\n  ".join([f"{len(broken)} images are broken:", *broken[:NAMES_SHOWN]]) + more)
    counts = [len(part) for part in listed]
    classes = listed[0].num_classes
    return f"{counts[0]:,} training and {counts[1]:,} test images in {classes:,} classes, all of which can be decoded"
