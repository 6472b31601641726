"""The proxy training of a search: data, device, backbone and recipe, chosen for what is at hand, with the reason."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.data.catalogue import DATASETS, DEFAULT_DATA_DIR, dataset, fetch
from formulanas.data.imagenet import ImageNet
from formulanas.data.images import LabelledImages
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.formula.bound import BoundRecursion
from formulanas.recipe import Recipe
from formulanas.records import from_mapping
from formulanas.search.space.settings import ProxySettings

MINI = "cifar10-mini"


@dataclass(frozen=True)
class Proxy:
    """A proxy training, every setting resolved; `reason` says why this data and device."""

    dataset: str
    device: str
    backbone: Backbone
    recipe: Recipe
    held_out: float
    data_dir: str
    reason: str

    def architecture(self, recursion: BoundRecursion, backbone: Backbone) -> Architecture:
        """The network of a recursion over a backbone, for the images of the proxy."""
        images = dataset(self.dataset)
        return Architecture(recursion, backbone, images.shape, images.num_classes)

    def images(self) -> LabelledImages:
        """The training images, of which a part is held out."""
        return read_training_set(self.dataset, Path(self.data_dir))


def resolve_proxy(settings: ProxySettings, data_dir: Path | None) -> Proxy:
    """The proxy that `settings` ask for, what they leave open chosen for the device and the data at hand.

    `auto` is all of CIFAR-10 on a GPU, where it is in the data directory or can be fetched, else the embedded images.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"there is no data directory {data_dir}; make it, and missing data is downloaded there")
    folder = data_dir or DEFAULT_DATA_DIR
    gpu = torch.cuda.is_available()
    name, reason = _choose_dataset(settings.dataset, folder, gpu)
    if gpu:
        default = Backbone((32, 64, 128), (2, 2, 2))
        epochs, batch_size, rate = (12, 64, 0.2) if name == MINI else (8, 256, 0.4)
    else:
        default = Backbone((12, 24, 48), (2, 2, 2), stem_stride=2)
        epochs, batch_size, rate = (8 if name == MINI else 3), 64, 0.2
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        nesterov=True,
        schedule="one-cycle",
        label_smoothing=0.1,
        crop_padding=2,
        norm_momentum=0.4,
    )
    chosen = settings.backbone if settings.backbone is not None else default
    held_out = settings.held_out if settings.held_out is not None else (0.25 if name == MINI else 0.1)
    if not 0 < held_out < 1:
        raise InputError(f"0 < held_out < 1 must hold, but got {held_out} (proxy.held_out)")
    return Proxy(
        dataset=name,
        device="cuda" if gpu else "cpu",
        backbone=backbone(chosen) if isinstance(chosen, str) else chosen,
        recipe=from_mapping(Recipe, {**asdict(recipe), **settings.recipe}, "proxy.recipe"),
        held_out=held_out,
        data_dir=str(folder),
        reason=reason,
    )


def _choose_dataset(asked: str, folder: Path, gpu: bool) -> tuple[str, str]:
    if asked != "auto":
        if isinstance(dataset(asked).files, ImageNet):
            known = [name for name, each in DATASETS.items() if not isinstance(each.files, ImageNet)]
            raise InputError(
                f"a proxy trains on images that fit in memory, {', '.join(known)}, but got {asked}; "
                "winners are retrained on it (proxy.dataset)"
            )
        fetch(asked, folder)
        return asked, "as asked"
    if not gpu:
        return MINI, "there is no GPU, and the embedded images are sized for CPUs"
    try:
        fetch("cifar10", folder)
    except InputError:
        return MINI, f"there is a GPU, but CIFAR-10 is neither in {folder} nor can be downloaded"
    return "cifar10", f"there is a GPU, and CIFAR-10 is in {folder}"


def default_workers() -> int:
    """How many trials this machine carries side by side: one a GPU, or one a usable core."""
    return torch.cuda.device_count() if torch.cuda.is_available() else len(os.sched_getaffinity(0))
