"""What retrainings leave in their folders, read and written as tests need it."""

import json
from pathlib import Path
from typing import Any

from formulanas.architecture.backbones import backbone
from formulanas.formula.published import bind_formula
from formulanas.recipe import recipe
from formulanas.records import write_record
from formulanas.store.models import RESULT_FILE, RETRAIN_FILE, Result, Retraining


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of one JSON object a line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def retraining(formula: str, **settings: Any) -> Retraining:
    """A retraining of a formula over ResNet-20 on the embedded images, but for `settings`."""
    usual: dict[str, Any] = {
        "name": formula,
        "formula": bind_formula(formula).text,
        "backbone_name": "cifar-resnet-20",
        "dataset": "cifar10-mini",
        "data_dir": "data",
        "recipe_name": "cifar",
        "recipe": recipe("cifar"),
        "seed": 0,
    }
    given = usual | settings
    if "backbone" not in given:
        given["backbone"] = backbone(given["backbone_name"])
    return Retraining(**given)


def keep_model(folder: Path, settings: Retraining, top1: float | None, **facts: Any) -> Path:
    """Writes what a retraining keeps beside its weights; without `top1` it was begun only."""
    write_record(folder / RETRAIN_FILE, settings)
    if top1 is not None:
        usual: dict[str, Any] = {
            "folder": str(folder),
            "top1": top1,
            "top5": min(1.0, top1 + 0.1),
            "test_images": 1000,
            "params": 1,
            "macs": 1000,
            "epochs": settings.recipe.epochs,
            "recipe": settings.digest,
            "seed": settings.seed,
            "seconds": 100.0,
            "finished": "",
        }
        write_record(folder / RESULT_FILE, Result(**usual | facts))
    return folder
