"""The results of retrained models: what was trained, on what, with which recipe and seed, and how well it did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import published_names
from formulanas.statistics.scores import Scores
from formulanas.store.models import RESULT_FILE, Model, all_models, is_model, models_in, read_model
from formulanas.store.runs import RUNS_DIR
from formulanas.store.targets import resolve

MEASURES = ("top1", "top5")


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
    trained = list({model.folder.resolve(): model for target in targets for model in _models(target)}.values())
    note = _mixture(trained, mixed)
    labels = _labels(trained)
    values: dict[str, dict[str, dict[int, float]]] = {}
    places: dict[tuple[str, str, int], Path] = {}
    for each in trained:
        label, dataset, seed = labels[_method(each, trained)], each.settings.dataset, each.settings.seed
        if (label, dataset, seed) in places:
            raise InputError(
                f"a method has one result a seed, but seed {seed} of {label} on {dataset} stands in "
                f"{places[label, dataset, seed]} and {each.folder}; leave one of them out"
            )
        places[label, dataset, seed] = each.folder
        for measure in MEASURES:
            accuracy = 100 * float(getattr(each.result, measure))
            values.setdefault(label, {}).setdefault(f"{dataset}_{measure}", {})[seed] = accuracy
    if len(values) < 2:
        raise InputError(f"2 <= methods must hold for a comparison, but got {len(values)} ({', '.join(values)})")
    return Results(values, note)


def _models(target: str) -> list[Model]:
    """The finished models that a target names."""
    if is_model(target):
        model = read_model(target)
        if model.result is None:
            raise InputError(f"{target} has no {RESULT_FILE} yet; finish it by `formulanas retrain ... --resume`")
        return [model]
    if inside := [model for model in models_in(Path(target)) if model.result]:
        return inside
    key = resolve(target).recursion.key
    found = [model for model in all_models() if model.result and _key(model) == key]
    if not found:
        raise InputError(
            f"no finished retraining of {target} is in {RUNS_DIR}; train it by `formulanas retrain {target}`"
        )
    return found


def _key(model: Model) -> str:
    return model.settings.architecture.recursion.key


def _mixture(trained: list[Model], mixed: bool) -> str:
    """What is said of different recipes on one data set, if anything; an error unless `mixed`."""
    for first in trained:
        for other in trained:
            dataset = first.settings.dataset
            if other.settings.dataset == dataset and other.settings.digest != first.settings.digest:
                a, b = (
                    f"{each.settings.recipe_name} {each.settings.digest} ({each.folder})" for each in (first, other)
                )
                if not mixed:
                    raise InputError(
                        f"results on one data set are of one recipe, but on {dataset} there are {a} and {b}; "
                        "choose targets of one recipe, or compare across them by --mixed"
                    )
                return f"recipes differ on {dataset}, such as {a} and {b}: what differs may be the recipe's doing"
    return ""


Method = tuple[str, Backbone, str]  # formula's key, backbone, and recipe where that tells methods apart


def _method(each: Model, trained: list[Model]) -> Method:
    network = _key(each), each.settings.backbone
    recipes = {
        other.settings.digest
        for other in trained
        if (_key(other), other.settings.backbone, other.settings.dataset) == (*network, each.settings.dataset)
    }
    return *network, each.settings.digest if len(recipes) > 1 else ""


def _labels(trained: list[Model]) -> dict[Method, str]:
    """A name for each method: as short as tells them apart."""
    firsts: dict[Method, Model] = {}
    for each in trained:
        firsts.setdefault(_method(each, trained), each)
    many = len({backbone for _, backbone, _ in firsts}) > 1
    names = published_names()
    labels = {}
    for method, each in firsts.items():
        name = names.get(method[0], each.settings.name)
        labels[method] = " ".join(filter(None, (name, each.settings.backbone_name if many else "", method[2])))
    taken = list(labels.values())
    return {
        method: label if taken.count(label) == 1 else f"{label}: {firsts[method].settings.formula}"
        for method, label in labels.items()
    }
