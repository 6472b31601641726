"""The retrainings that are on disk, found by what they are: network, data set, recipe and seed, not by their folder."""

from formulanas.formula.published import bind_formula
from formulanas.reproduce.runs import Run
from formulanas.store.models import Identity, Model, models_in
from formulanas.store.runs import RUNS_DIR

Kept = dict[tuple[Identity, bool], Model]  # by what they are, and whether they were or are to be tested by ten crops


def kept_runs() -> Kept:
    """All retrainings of formulas in runs/ by what they are; one that is tested by ten crops is so by one crop too."""
    kept: Kept = {}
    for model in models_in(RUNS_DIR / "retrained"):
        for ten_crops in {False, model.settings.ten_crops}:
            kept[model.settings.identity, ten_crops] = model
    return kept


def find(run: Run, kept: Kept) -> Model | None:
    """What is kept of a run."""
    identity = bind_formula(run.formula).key, run.backbone, run.dataset, (run.recipe,), run.seed
    return kept.get((identity, run.ten_crops))
