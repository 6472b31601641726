"""The retrainings that are on disk, found by what they are: network, data set, recipe and seed, not by their folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula
from formulanas.recipe import Recipe
from formulanas.records import from_mapping, read_json, read_yaml, to_plain
from formulanas.reproduce.runs import Run
from formulanas.store.models import RETRAIN_FILE
from formulanas.store.runs import RUNS_DIR

RESULT_FILE = "result.json"

Identity = tuple[str, str, str, str, int]  # formula's key, backbone as JSON, data set, recipe's digest, seed


@dataclass(frozen=True)
class Kept:
    """A retraining that was begun; `result` is its result.json where it is finished."""

    folder: Path
    dataset: str
    result: Mapping[str, Any] | None


def kept_runs() -> dict[Identity, Kept]:
    """All retrainings of formulas in runs/ by what they are; those that went on at another resolution are left out."""
    found = {}
    for path in sorted(RUNS_DIR.glob(f"retrained/*/{RETRAIN_FILE}")):
        settings = read_yaml(path)
        if settings.get("fixres"):
            continue
        chosen = from_mapping(Recipe, settings.get("recipe"), f"{path}: recipe")
        own = from_mapping(Backbone, settings.get("backbone"), f"{path}: backbone")
        dataset, seed = str(settings["dataset"]), int(settings["seed"])
        identity = (bind(str(settings["formula"])).key, _as_json(own), dataset, chosen.digest, seed)
        result = path.with_name(RESULT_FILE)
        found[identity] = Kept(path.parent, dataset, read_json(result) if result.is_file() else None)
    return found


def identity(run: Run) -> Identity:
    """What a run is on disk."""
    return bind_formula(run.formula).key, _as_json(run.backbone), run.dataset, run.recipe.digest, run.seed


def _as_json(backbone: Backbone) -> str:
    return json.dumps(to_plain(backbone), sort_keys=True)
