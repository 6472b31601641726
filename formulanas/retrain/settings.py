"""What a retraining is asked to be, and what it is: every setting resolved before the first step."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from formulanas.architecture.backbone import Backbone, compound_scaled
from formulanas.architecture.backbones import backbone
from formulanas.data.catalogue import DEFAULT_DATA_DIR, dataset, is_present
from formulanas.data.imagenet import ImageNet
from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import Value
from formulanas.progress import Progress
from formulanas.recipe import RECIPES, Recipe, fixing_resolution, recipe
from formulanas.store.runs import RUNS_DIR
from formulanas.store.targets import resolve

CHECKPOINT_MINUTES = 2.0
DEFAULT_BACKBONE, DEFAULT_RECIPE = "cifar-resnet-20", "cifar"
LARGE_BACKBONE, LARGE_RECIPE = "resnet18", "imagenet"  # of images that are decoded when they are needed
FIXRES_SHARE = 0.1  # of the epochs that came before
BRANCHES = ("separate", "fused", "two-devices")  # fused: where it is faster here; two-devices: half of them on each


class Options(TypedDict, total=False):
    """What may be asked of a retraining; all of it may be left out."""

    values: Mapping[str, Value] | None  # of free symbols
    backbone_name: str | None
    dataset_name: str | None
    recipe_name: str | None  # or a file
    epochs: int | None  # to which the schedule is stretched or shortened
    seed: int
    data_dir: str | Path | None
    resume: bool
    checkpoint_minutes: float
    progress: Progress
    scale: float | None  # phi of compound scaling, 1905.11946
    fixres: int | None  # the side of test images for which head and norms are tuned at the end, 1906.06423
    ten_crops: bool  # in the test, beside the central crop
    accumulate: int  # parts of a batch whose gradients are added
    compiled: bool
    branches: str  # how several functions of one block run, one of BRANCHES
    skip_broken: bool
    decoders: int | None  # processes that decode images
    workers: int  # processes that train on parts of each batch, through Ray Train
    address: str | None  # of their Ray cluster


@dataclass(frozen=True)
class Retraining:
    """What a retraining is, every setting resolved; kept in its folder."""

    name: str
    formula: str
    backbone_name: str
    backbone: Backbone
    dataset: str
    data_dir: str
    recipe_name: str
    recipe: Recipe
    seed: int
    fixres: Recipe | None = None  # a second training, of head and norms
    ten_crops: bool = False
    accumulate: int = 1
    compiled: bool = False
    branches: str = "separate"
    skip_broken: bool = False
    num_classes: int | None = None  # None: those that the data set always has
    image_size: int | None = None
    schema: int = 1

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The trainings, one after the other."""
        return (self.recipe,) if self.fixres is None else (self.recipe, self.fixres)

    @property
    def digest(self) -> str:
        """A short hash of all recipes: results of different digests are never averaged."""
        if self.fixres is None:
            return self.recipe.digest
        return hashlib.sha256(f"{self.recipe.digest} {self.fixres.digest}".encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Result:
    """The outcome of a retraining: shares of the test images, opened once."""

    folder: str
    top1: float
    top5: float
    test_images: int
    params: int
    macs: int
    epochs: int
    recipe: str  # the digest
    seed: int
    seconds: float
    finished: str
    ten_crop_top1: float | None = None
    ten_crop_top5: float | None = None

    @property
    def statement(self) -> str:
        """The result in a sentence."""
        ten = ""
        if self.ten_crop_top1 is not None and self.ten_crop_top5 is not None:
            ten = f" (of ten crops {100 * self.ten_crop_top1:.2f} % and {100 * self.ten_crop_top5:.2f} %)"
        return (
            f"test accuracy {100 * self.top1:.2f} % top-1, {100 * self.top5:.2f} % top-5{ten} on "
            f"{self.test_images:,} images, after {self.epochs} epochs in {self.seconds:.0f} s (seed {self.seed}); "
            f"in {self.folder}"
        )


@dataclass(frozen=True)
class Settled:
    """The folder of a retraining, its settings, why this data set, and backbones to compare its own with, by name."""

    folder: Path
    settings: Retraining
    reason: str
    compared: dict[str, tuple[Backbone, int]]  # with the side of the images


def settle(target: str, options: Options) -> Settled:
    """What `target` and `options` come to. Raises InputError for what cannot be, before anything is written."""
    found = resolve(target, options.get("values"))
    given = options.get("data_dir")
    directory = DEFAULT_DATA_DIR if given is None else Path(given)
    if given is not None and not directory.is_dir():
        raise InputError(f"there is no data directory {directory}; make it, and missing data is downloaded there")
    dataset_name, reason = options.get("dataset_name"), "as asked"
    if dataset_name is None and found.dataset is not None:
        dataset_name, reason = found.dataset, "the search's own"
    elif dataset_name is None:
        dataset_name = "cifar10" if is_present("cifar10", directory) else "cifar10-mini"
        reason = f"CIFAR-10 is {'' if dataset_name == 'cifar10' else 'not '}in {directory}"
    images = dataset(dataset_name)
    decoded = isinstance(images.files, ImageNet)
    recipe_name = options.get("recipe_name") or (LARGE_RECIPE if decoded else DEFAULT_RECIPE)
    chosen = recipe(recipe_name)
    epochs = options.get("epochs")
    if epochs is not None:
        chosen = chosen.scaled(epochs)
    backbone_name = options.get("backbone_name") or (LARGE_BACKBONE if decoded else DEFAULT_BACKBONE)
    own, compared = backbone(backbone_name), {}
    size = chosen.image_size if decoded else images.shape[1]
    if found.backbone is not None and found.run is not None:
        compared["proxy"] = found.backbone, dataset(found.dataset or dataset_name).shape[1]
    scale = options.get("scale")
    if scale is not None:
        compared["unscaled"] = own, size
        own, chosen, backbone_name = _scaled(own, chosen, backbone_name, scale)
    fixres = _fixres(options.get("fixres"), chosen, decoded, dataset_name)
    if options.get("ten_crops") and not decoded:
        raise InputError(f"ten crops are of images larger than the network's; those of {dataset_name} are whole")
    accumulate = options.get("accumulate", 1)
    if not 1 <= accumulate <= chosen.batch_size:
        raise InputError(f"1 <= accumulate <= {chosen.batch_size}, the batch, must hold, but got {accumulate}")
    workers, address = options.get("workers", 1), options.get("address")
    if not 1 <= workers <= chosen.batch_size:
        raise InputError(f"1 <= workers <= {chosen.batch_size}, the batch, must hold, but got {workers}")
    if address is not None and workers == 1:
        raise InputError("--address says where workers are, and one worker is here; add --workers N")
    branches = options.get("branches", "separate")
    if branches not in BRANCHES:
        raise InputError(unknown_name("way of running branches", branches, BRANCHES) + " (--branches)")
    settings = Retraining(
        name=found.name or found.recursion.key,
        formula=found.recursion.text,
        backbone_name=backbone_name,
        backbone=own,
        dataset=dataset_name,
        data_dir=str(directory),
        recipe_name=recipe_name,
        recipe=chosen,
        seed=options.get("seed", 0),
        fixres=fixres,
        ten_crops=options.get("ten_crops", False),
        accumulate=accumulate,
        compiled=options.get("compiled", False),
        branches=branches,
        skip_broken=options.get("skip_broken", False),
    )
    parent = RUNS_DIR / "retrained" if found.run is None else found.run.folder / "retrain"
    label = found.recursion.key if found.run is not None or not found.name else found.name
    return Settled(parent / _folder_name(label, settings), settings, reason, compared)


def _folder_name(label: str, settings: Retraining) -> str:
    """A folder for each label, backbone, data set, recipe and seed; a recipe from a file is known by its digest too."""
    recipe_label = settings.recipe_name
    if recipe_label not in RECIPES:
        recipe_label = f"{Path(recipe_label).stem}-{settings.recipe.digest}"
    tuned = "" if settings.fixres is None else f"-fixres{settings.fixres.image_size}"
    trained = f"{settings.dataset}-{recipe_label}-{settings.recipe.epochs}{tuned}"
    return f"{label}-{settings.backbone_name}-{trained}-seed{settings.seed}"


def _scaled(own: Backbone, chosen: Recipe, name: str, scale: float) -> tuple[Backbone, Recipe, str]:
    """Backbone and decoded images made larger together; images in memory keep their size."""
    if not -10 <= scale <= 10:
        raise InputError(f"-10 <= scale <= 10 must hold, but got {scale}; the work grows by about 2 to its power")
    larger, size = compound_scaled(own, chosen.image_size, scale)
    return larger, chosen.magnified(size), f"{name}-phi{scale:g}"


def _fixres(size: int | None, chosen: Recipe, decoded: bool, dataset_name: str) -> Recipe | None:
    if size is None:
        return None
    if not decoded:
        raise InputError(f"--fixres tunes for larger images in the test, but those of {dataset_name} have one size")
    if size < 1:
        raise InputError(f"1 <= fixres must hold, but got {size}")
    return fixing_resolution(chosen, size, max(1, round(FIXRES_SHARE * chosen.epochs)))


def default_decoders() -> int:
    """As many processes that decode images as there are usable cores."""
    return len(os.sched_getaffinity(0))
