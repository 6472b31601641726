"""What a TARGET names: a formula, a published name, a run's best, a trial or a retrained model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError, unknown_name
from formulanas.formula.bind import Value, bind
from formulanas.formula.bound import BoundRecursion
from formulanas.formula.published import atlas, bind_formula
from formulanas.records import from_mapping, read_yaml
from formulanas.store.models import RETRAIN_FILE
from formulanas.store.runs import RUNS_DIR, STUDY_FILE, Run, find_run, latest_finished, runs, with_changes


@dataclass(frozen=True)
class Target:
    """What a TARGET names: a bound recursion, its name, and the run and backbone that it comes from, if any."""

    recursion: BoundRecursion
    name: str
    run: Run | None = None
    backbone: Backbone | None = None
    dataset: str | None = None


def resolve(target: str, values: Mapping[str, Value] | None = None) -> Target:
    """What `target` names: a formula's text, a published formula, `best`, `RUN`, `RUN:best` or `RUN:17`.

    A folder is that of a retrained model. `values` binds the free symbols of a formula.
    """
    if "=" in target or target in atlas():
        return Target(bind_formula(target, values), target if target in atlas() else "")
    if values:
        raise InputError(f"{target} has no free symbols to bind")
    if (Path(target) / RETRAIN_FILE).is_file():
        return _of_retraining(Path(target))
    if target == "best":
        return _of_run(latest_finished(), "best")
    name, _, which = target.partition(":")
    if not (RUNS_DIR / name / STUDY_FILE).is_file():
        known = [*atlas(), "best", *(run.name for run in runs())]
        raise InputError(f"{unknown_name('target', name, known)}; or write a formula, x[n] = ...")
    return _of_run(find_run(name), which or "best")


def _of_run(run: Run, which: str) -> Target:
    changes: Mapping[str, Any] | None = None
    if which == "best":
        best = run.leaderboard()["best"]
        text, changes = best["formula"], best.get("backbone")
    elif re.fullmatch(r"\d+", which):
        trial = run.trial(int(which))
        text, changes = trial.get("formula") or "", trial.get("backbone")
        if not text:
            raise InputError(f"trial {which} of {run.name} has no architecture: {trial.get('reason')}")
    else:
        raise InputError(f"{run.name}:{which} names no trial; write {run.name}:best or {run.name}:17")
    proxy = run.settings()["proxy"]
    backbone = from_mapping(Backbone, proxy["backbone"], f"{run.name}/{STUDY_FILE}: proxy.backbone")
    return Target(bind(text), f"{run.name}:{which}", run, with_changes(backbone, changes), proxy["dataset"])


def _of_retraining(folder: Path) -> Target:
    settings = read_yaml(folder / RETRAIN_FILE)
    backbone = from_mapping(Backbone, settings["backbone"], f"{folder / RETRAIN_FILE}: backbone")
    return Target(bind(settings["formula"]), settings["name"], None, backbone, settings["dataset"])
