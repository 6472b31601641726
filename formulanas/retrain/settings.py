"""What a retraining is asked to be, and what it is: every setting resolved before the first step."""

import os
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from formulanas.architecture.backbone import Backbone, compound_scaled
from formulanas.data.catalogue import DEFAULT_DATA_DIR, EMBEDDED, dataset, is_present
from formulanas.data.imagenet import ImageNet
from formulanas.errors import InputError
from formulanas.recipe import RECIPES, Recipe, fixing_resolution, recipe
from formulanas.store.models import RETRAIN_FILE, Retraining, models_in
from formulanas.store.runs import RUNS_DIR
from formulanas.store.targets import DEFAULT_DATASET, Target, default_backbone

DEFAULT_RECIPE, LARGE_RECIPE = "cifar", "imagenet"  # large: of images that are decoded when they are needed
FIXRES_SHARE = 0.1  # of the epochs that came before


@dataclass(frozen=True)
class Options:
    """What may be asked of a retraining; what is None is not asked for."""

    backbone_name: str | None = None
    dataset_name: str | None = None
    recipe_name: str | None = None  # or a file
    epochs: int | None = None  # to which the schedule is stretched or shortened
    seed: int = 0
    data_dir: str | Path | None = None
    scale: float | None = None  # phi of compound scaling, 1905.11946
    fixres: int | None = None  # the side of test images for which head and norms are tuned at the end, 1906.06423
    ten_crops: bool | None = None
    accumulate: int | None = None
    compiled: bool | None = None
    branches: str | None = None
    skip_broken: bool | None = None
    resume: bool = False
    checkpoint_minutes: float = 2.0
    decoders: int | None = None  # processes that decode images
    workers: int = 1  # processes that train on parts of each batch, through Ray Train
    address: str | None = None  # of their Ray cluster


@dataclass(frozen=True)
class Settled:
    """The folder of a retraining, its settings, why this data set, and backbones to compare its own with, by name.

    `asked` names the settings that were asked for by themselves.
    """

    folder: Path
    settings: Retraining
    asked: tuple[str, ...]
    reason: str
    compared: dict[str, tuple[Backbone, int]]  # with the side of the images

    def check(self, begun: Retraining) -> None:
        """Raises InputError where something was asked for that is not so in what was `begun` in the folder."""
        formulas = (each.architecture.recursion.text for each in (begun, self.settings))
        differences = [_difference("formula", *formulas)]
        differences += [_difference(name, getattr(begun, name), getattr(self.settings, name)) for name in self.asked]
        for difference in filter(None, differences):
            raise InputError(
                f"{self.folder / RETRAIN_FILE} keeps {difference}; ask for what is kept to go on with it, or move "
                "that folder away to train anew"
            )


def settle(found: Target, options: Options) -> Settled:
    """What a target and `options` come to. Raises InputError for what cannot be, before anything is written."""
    directory = DEFAULT_DATA_DIR if options.data_dir is None else Path(options.data_dir)
    if options.data_dir is not None and not directory.is_dir():
        raise InputError(f"there is no data directory {directory}; make it, and missing data is downloaded there")
    dataset_name, reason = _dataset(found, options.dataset_name, directory)
    images = dataset(dataset_name)
    decoded = isinstance(images.files, ImageNet)
    recipe_name = options.recipe_name or (LARGE_RECIPE if decoded else DEFAULT_RECIPE)
    chosen = recipe(recipe_name)
    if options.epochs is not None:
        chosen = chosen.scaled(options.epochs)
    usual = default_backbone(images) if found.run is not None else None  # a search's own is that of its proxy
    over = found.over(options.backbone_name or usual, dataset_name)
    own, backbone_name, compared = over.architecture.backbone, over.backbone_name, {}
    size = chosen.image_size if decoded else images.shape[1]
    if found.backbone is not None and found.run is not None:
        compared["proxy"] = found.backbone, found.over().architecture.image[1]
    if options.scale is not None:
        compared["unscaled"] = own, size
        own, chosen, backbone_name = _scaled(own, chosen, backbone_name, options.scale)
    if options.ten_crops and not decoded:
        raise InputError(f"ten crops are of images larger than the network's; those of {dataset_name} are whole")
    if not 1 <= options.workers <= chosen.batch_size:
        law = f"1 <= workers <= {chosen.batch_size}, the batch, must hold"
        raise InputError(f"{law}, but got {options.workers}")
    if options.address is not None and options.workers == 1:
        raise InputError("--address says where workers are, and one worker is here; add --workers N")
    plain = {
        name: value
        for name in ("ten_crops", "accumulate", "compiled", "branches", "skip_broken")
        if (value := getattr(options, name)) is not None
    }
    settings = Retraining(
        name=found.name or found.recursion.key,
        formula=found.recursion.text,
        backbone_name=backbone_name,
        backbone=own,
        dataset=dataset_name,
        data_dir=str(directory),
        recipe_name=recipe_name,
        recipe=chosen,
        seed=options.seed,
        fixres=_fixres(options.fixres, chosen, decoded, dataset_name),
        **plain,
    )
    asked = [name for name in plain if name != "skip_broken"]  # which may be asked for later
    asked += ["backbone"] if options.backbone_name or options.scale is not None or found.model else []
    asked += ["recipe", "fixres"] if options.recipe_name else []
    asked += ["data_dir"] if options.data_dir is not None else []
    return Settled(_folder(found, settings), settings, tuple(asked), reason, compared)


def _dataset(found: Target, asked: str | None, directory: Path) -> tuple[str, str]:
    """The data set, and why it is this one."""
    if asked is not None:
        return asked, "as asked"
    if found.dataset is not None:
        return found.dataset, "the search's own" if found.model is None else f"that of {found.model.folder}"
    here = is_present(DEFAULT_DATASET, directory)
    return DEFAULT_DATASET if here else EMBEDDED, f"CIFAR-10 is {'' if here else 'not '}in {directory}"


def _difference(name: str, kept: Any, asked: Any) -> str:
    """The first setting, of those within `name` too, that is kept otherwise than asked for; nothing where all agree."""
    if kept == asked:
        return ""
    if is_dataclass(kept) and is_dataclass(asked):
        names = [each.name for each in fields(kept)]
        parts = (_difference(f"{name}.{each}", getattr(kept, each), getattr(asked, each)) for each in names)
        return next(filter(None, parts))
    return f"{name}: {kept}, but asked for is {asked}"


def _folder(found: Target, settings: Retraining) -> Path:
    """A folder for each formula, backbone, data set, recipe and seed; a recipe of a file is known by its digest too."""
    label = found.name if found.name == found.published else found.recursion.key
    recipe_label = settings.recipe_name
    if recipe_label not in RECIPES:
        recipe_label = f"{Path(recipe_label).stem}-{settings.recipe.digest}"
    tuned = "" if settings.fixres is None else f"-fixres{settings.fixres.image_size}"
    trained = f"{settings.dataset}-{recipe_label}-{settings.recipe.epochs}{tuned}"
    name = f"{label}-{settings.backbone_name}-{trained}-seed{settings.seed}"
    if "/" in name or not name.isprintable():
        raise InputError(f"the folder of this retraining cannot be called {name!r}; name the backbone by --backbone")
    parent = RUNS_DIR / "retrained" if found.run is None else found.run.folder / "retrain"
    if settings.recipe_name not in RECIPES and not (parent / name).exists():  # once, digests were made otherwise
        same = (each.folder for each in models_in(parent) if each.settings.identity == settings.identity)
        return next(same, parent / name)
    return parent / name


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
