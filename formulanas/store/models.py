"""The folders of retrained models: what each one is, and how well it did."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.data.catalogue import dataset
from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import bind
from formulanas.recipe import Recipe
from formulanas.records import read_record
from formulanas.store.runs import RUNS_DIR, is_there

RETRAIN_FILE, RESULT_FILE, WEIGHTS_FILE = "retrain.yaml", "result.json", "weights.pt"
BRANCHES = ("separate", "fused", "two-devices")  # fused: where it is faster here; two-devices: half of them on each

Identity = tuple[str, Backbone, str, tuple[Recipe, ...], int]  # the formula's key, data set, trainings, and seed


@dataclass(frozen=True)
class Retraining:
    """What a retraining is, every setting resolved; kept as retrain.yaml."""

    SCHEMA: ClassVar[int] = 2

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
    ten_crops: bool = False  # in the test, beside the central crop
    accumulate: int = 1  # parts of a batch whose gradients are added
    compiled: bool = False
    branches: str = "separate"  # how several functions of one block run, one of BRANCHES
    skip_broken: bool = False
    num_classes: int | None = None  # None: those that the data set always has
    image_size: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.accumulate <= self.recipe.batch_size:
            law = f"1 <= accumulate <= {self.recipe.batch_size}, the batch, must hold"
            raise InputError(f"{law}, but got {self.accumulate}")
        if self.branches not in BRANCHES:
            raise InputError(unknown_name("way of running branches", self.branches, BRANCHES))

    @cached_property
    def architecture(self) -> Architecture:
        """The network that is trained."""
        images = dataset(self.dataset)
        channels, size, _ = images.shape
        size = self.image_size or size
        num_classes = self.num_classes or images.num_classes
        return Architecture(bind(self.formula), self.backbone, (channels, size, size), num_classes)

    @property
    def identity(self) -> Identity:
        """What tells it from others: how it is carried out does not."""
        return self.architecture.recursion.key, self.backbone, self.dataset, self.recipes, self.seed

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
    """The outcome of a retraining: shares of the test images, opened once; kept as result.json."""

    SCHEMA: ClassVar[int] = 2

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
class Model:
    """A retrained model, or one whose retraining was begun: then it has no result yet."""

    folder: Path
    settings: Retraining
    result: Result | None

    @property
    def weights_file(self) -> Path:
        """The file of its weights. Raises InputError where its retraining is not finished."""
        if not (self.folder / WEIGHTS_FILE).is_file():
            raise InputError(f"{self.folder} has no {WEIGHTS_FILE} yet; finish it by `formulanas retrain ... --resume`")
        return self.folder / WEIGHTS_FILE


def is_model(folder: str | Path) -> bool:
    """Whether `folder` is that of a retrained model."""
    return is_there(Path(folder) / RETRAIN_FILE)


def read_model(folder: str | Path) -> Model:
    """The model in `folder`. Raises InputError, which names the file, for what is none or cannot be read."""
    path = Path(folder)
    if not is_model(path):
        raise InputError(
            f"{path} is not the folder of a retrained model, which has a {RETRAIN_FILE}; "
            "`formulanas retrain TARGET` trains one and prints its folder"
        )
    settings = read_record(Retraining, path / RETRAIN_FILE)
    try:
        _ = settings.architecture
    except InputError as error:
        raise InputError(f"{path / RETRAIN_FILE}: {error}") from None
    result = read_record(Result, path / RESULT_FILE) if (path / RESULT_FILE).is_file() else None
    if result is not None:  # the folder may have moved, and digests of the first schema were made otherwise
        result = replace(result, folder=str(folder), recipe=settings.digest)
    return Model(path, settings, result)


def models_in(folder: Path) -> Iterator[Model]:
    """The models whose folders lie in `folder`; one that cannot be read is named in a warning, and passed over."""
    for path in sorted(folder.glob(f"*/{RETRAIN_FILE}")) if is_there(folder) else ():
        try:
            yield read_model(path.parent)
        except InputError as error:
            logging.getLogger(__name__).warning("%s is passed over: %s", path.parent, error)


def all_models() -> Iterator[Model]:
    """The models in runs/: those of formulas, then those of searches."""
    for folder in (RUNS_DIR / "retrained", *sorted(RUNS_DIR.glob("*/retrain"))):
        yield from models_in(folder)
