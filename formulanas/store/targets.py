"""What a TARGET names: a formula, a published name, a run's best, a trial or a retrained model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.data.catalogue import Dataset, dataset
from formulanas.data.imagenet import ImageNet
from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import Value, bind
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.published import atlas, bind_formula, published_names
from formulanas.records import from_mapping
from formulanas.store.models import Model, is_model, read_model
from formulanas.store.runs import RUNS_DIR, STUDY_FILE, Run, find_run, is_there, latest_finished, runs, with_changes
from formulanas.store.trials import read_trial

DEFAULT_DATASET = "cifar10"


def default_backbone(images: Dataset) -> str:
    """The backbone over which a formula is trained on these images where none is named."""
    return "resnet18" if isinstance(images.files, ImageNet) else "cifar-resnet-20"


@dataclass(frozen=True)
class Over:
    """An architecture, and the names of its backbone and of the data set whose images it takes."""

    architecture: Architecture
    backbone_name: str
    dataset: str


@dataclass(frozen=True)
class Target:
    """What a TARGET names: a bound recursion, its name, and where it comes from a run or a model what it is over."""

    recursion: BoundRecursion
    name: str
    run: Run | None = None
    model: Model | None = None
    backbone: Backbone | None = None
    backbone_name: str = ""
    dataset: str | None = None

    @property
    def published(self) -> str:
        """The published name of its formula, or nothing."""
        return self.name if self.name in atlas() else published_names().get(self.recursion.key, "")

    def over(self, backbone_name: str | None = None, dataset_name: str | None = None) -> Over:
        """Its architecture over a backbone and a data set by name, by default its own, else the usual ones."""
        images = dataset(dataset_name or self.dataset or DEFAULT_DATASET)
        if backbone_name is None and self.backbone is not None:
            chosen, name = self.backbone, self.backbone_name
        else:
            name = backbone_name or default_backbone(images)
            chosen = backbone(name)
        shape, num_classes = images.shape, images.num_classes
        if self.model is not None and images.name == self.dataset:
            trained = self.model.settings.architecture
            shape, num_classes = trained.image, trained.num_classes
        return Over(Architecture(self.recursion, chosen, shape, num_classes), name, images.name)


def resolve(target: str, values: Mapping[str, Value] | None = None) -> Target:
    """What `target` names: a published formula, a retrained model's folder, a formula, `best`, RUN, RUN:best or RUN:17.

    `values` binds the free symbols of a formula.
    """
    is_folder = target not in atlas() and is_model(target)
    if not is_folder and ("=" in target or target in atlas()):
        return Target(bind_formula(target, values), target if target in atlas() else "")
    if values:
        raise InputError(f"{target} has no free symbols to bind")
    if is_folder:
        return _of_model(read_model(target))
    if target == "best":
        return _of_run(latest_finished(), "best")
    name, _, which = target.partition(":")
    if not is_there(RUNS_DIR / name / STUDY_FILE):
        known = [*atlas(), "best", *(run.name for run in runs())]
        raise InputError(f"{unknown_name('target', name, known)}; or write a formula, x[n] = ...")
    return _of_run(find_run(name), which or "best")


def _of_run(run: Run, which: str) -> Target:
    changes: Mapping[str, Any] | None = None
    if which == "best":
        best = run.leaderboard()["best"]
        text, changes = best["formula"], best.get("backbone")
    elif re.fullmatch(r"[0-9]+", which):
        trial = read_trial(run, int(which))
        text, changes = trial.formula or "", trial.backbone
        if not text:
            raise InputError(f"trial {which} of {run.name} has no architecture: {trial.reason}")
    else:
        raise InputError(f"{run.name}:{which} names no trial; write {run.name}:best or {run.name}:17")
    proxy = run.settings()["proxy"]
    own = from_mapping(Backbone, proxy["backbone"], f"{run.name}/{STUDY_FILE}: proxy.backbone")
    return Target(
        recursion=bind(text),
        name=f"{run.name}:{which}",
        run=run,
        backbone=with_changes(own, changes),
        backbone_name=f"the backbone of {run.name}",
        dataset=proxy["dataset"],
    )


def _of_model(model: Model) -> Target:
    settings = model.settings
    return Target(
        recursion=settings.architecture.recursion,
        name=settings.name,
        model=model,
        backbone=settings.backbone,
        backbone_name=settings.backbone_name,
        dataset=settings.dataset,
    )
