"""The results of retrained models: what was trained, on what, with which recipe and seed, and how well it did."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import published_names
from formulanas.records import read_json, read_yaml
from formulanas.statistics.scores import Scores
from formulanas.store.models import RETRAIN_FILE
from formulanas.store.runs import RUNS_DIR
from formulanas.store.targets import resolve

RESULT_FILE = "result.json"
MEASURES = ("top1", "top5")


@dataclass(frozen=True)
class Trained:
    """One finished retraining. A formula over a backbone is a method, whatever its seed."""

    folder: Path
    name: str
    formula: str
    key: str
    backbone_name: str
    backbone: str  # whole, as JSON
    dataset: str
    recipe_name: str
    recipe: str  # the recipe's digest
    seed: int
    accuracies: tuple[float, ...]  # in percent, by MEASURES


@dataclass(frozen=True)
class Results:
    """The accuracies in percent by method, column (data set and measure) and seed; `note` says what was mixed."""

    values: dict[str, dict[str, dict[int, float]]]
    note: str = ""

    def scores(self) -> Scores:
        """The means over seeds."""
        columns = tuple(dict.fromkeys(column for row in self.values.values() for column in row))
        rows = (
            tuple(round(fmean(row[name].values()), 9) if name in row else float("nan") for name in columns)
            for row in self.values.values()
        )
        return Scores(tuple(self.values), columns, tuple(rows))

    def chosen(self, columns: Sequence[str]) -> "Results":
        """The results on `columns` alone."""
        return Results(
            {
                method: {name: seeds for name, seeds in row.items() if name in columns}
                for method, row in self.values.items()
            },
            self.note,
        )


def read_results(targets: Iterable[str], mixed: bool = False) -> Results:
    """The results that the targets name: folders of retrained models, folders of such folders, or formulas.

    A formula, a published name or a trial stands for all of its finished retrainings in runs/. Raises InputError where
    recipes differ on one data set, unless `mixed`; a method is then split by recipe, and never averaged over recipes.
    """
    folders = dict.fromkeys(folder.resolve() for target in targets for folder in _folders(target))
    trained = [_read(folder) for folder in folders]
    note = _mixture(trained, mixed)
    labels = _labels(trained)
    values: dict[str, dict[str, dict[int, float]]] = {}
    places: dict[tuple[str, str, int], Path] = {}
    for each in trained:
        label = labels[_method(each, trained)]
        place = (label, each.dataset, each.seed)
        if place in places:
            raise InputError(
                f"a method has one result a seed, but seed {each.seed} of {label} on {each.dataset} stands in "
                f"{_short(places[place])} and {_short(each.folder)}; leave one of them out"
            )
        places[place] = each.folder
        for measure, accuracy in zip(MEASURES, each.accuracies, strict=True):
            values.setdefault(label, {}).setdefault(f"{each.dataset}_{measure}", {})[each.seed] = accuracy
    if len(values) < 2:
        raise InputError(f"2 <= methods must hold for a comparison, but got {len(values)} ({', '.join(values)})")
    return Results(values, note)


def _folders(target: str) -> list[Path]:
    """The folders with a result that a target names."""
    path = Path(target)
    if (path / RESULT_FILE).is_file():
        return [path]
    if (path / RETRAIN_FILE).is_file():
        raise InputError(f"{target} has no {RESULT_FILE} yet; finish it by `formulanas retrain ... --resume`")
    inside = sorted(file.parent for file in path.glob(f"*/{RESULT_FILE}")) if path.is_dir() else []
    if inside:
        return inside
    key = resolve(target).recursion.key
    files = sorted([*RUNS_DIR.glob(f"retrained/*/{RESULT_FILE}"), *RUNS_DIR.glob(f"*/retrain/*/{RESULT_FILE}")])
    found = [file.parent for file in files if _key(file.parent) == key]
    if not found:
        raise InputError(
            f"no finished retraining of {target} is in {RUNS_DIR}; train it by `formulanas retrain {target}`"
        )
    return found


def _key(folder: Path) -> str:
    return bind(str(read_yaml(folder / RETRAIN_FILE).get("formula"))).key


def _read(folder: Path) -> Trained:
    result, settings, key = read_json(folder / RESULT_FILE), read_yaml(folder / RETRAIN_FILE), _key(folder)
    try:
        return Trained(
            folder=folder,
            name=published_names().get(key, str(settings["name"])),
            formula=str(settings["formula"]),
            key=key,
            backbone_name=str(settings["backbone_name"]),
            backbone=json.dumps(settings["backbone"], sort_keys=True),
            dataset=str(settings["dataset"]),
            recipe_name=str(settings["recipe_name"]),
            recipe=str(result["recipe"]),
            seed=int(result["seed"]),
            accuracies=tuple(100 * float(result[measure]) for measure in MEASURES),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{_short(folder)} is no finished retraining: {RESULT_FILE} or {RETRAIN_FILE}: {error}"
        ) from None


def _mixture(trained: list[Trained], mixed: bool) -> str:
    """What is said of different recipes on one data set, if anything; an error unless `mixed`."""
    for first in trained:
        for other in trained:
            if other.dataset == first.dataset and other.recipe != first.recipe:
                a, b = (f"{each.recipe_name} {each.recipe} ({_short(each.folder)})" for each in (first, other))
                if not mixed:
                    raise InputError(
                        f"results on one data set are of one recipe, but on {first.dataset} there are {a} and {b}; "
                        "choose targets of one recipe, or compare across them by --mixed"
                    )
                return f"recipes differ on {first.dataset}, such as {a} and {b}: what differs may be the recipe's doing"
    return ""


Method = tuple[str, str, str]  # formula's key, backbone, and recipe where that tells methods apart


def _method(each: Trained, trained: list[Trained]) -> Method:
    recipes = {
        other.recipe
        for other in trained
        if (other.key, other.backbone, other.dataset) == (each.key, each.backbone, each.dataset)
    }
    return each.key, each.backbone, each.recipe if len(recipes) > 1 else ""


def _labels(trained: list[Trained]) -> dict[Method, str]:
    """A name for each method: as short as tells them apart."""
    firsts: dict[Method, Trained] = {}
    for each in trained:
        firsts.setdefault(_method(each, trained), each)
    many = len({backbone for _, backbone, _ in firsts}) > 1
    labels = {
        method: " ".join(filter(None, (each.name, each.backbone_name if many else "", method[2])))
        for method, each in firsts.items()
    }
    taken = list(labels.values())
    return {
        method: label if taken.count(label) == 1 else f"{label}: {firsts[method].formula}"
        for method, label in labels.items()
    }


def _short(path: Path) -> Path:
    """A path as a reader would write it from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
