"""The study of a run: Optuna's, on disk in the run's folder, and the trial documents that are derived from it."""

import sqlite3
from collections.abc import Mapping
from typing import Any, cast

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from formulanas.formula.bind import Value
from formulanas.records import write_json
from formulanas.search.samplers import pruner, sampler
from formulanas.search.space import Domain, Range, Space, SpaceDocument
from formulanas.seeds import derive_seed
from formulanas.store import Run
from formulanas.training.training import EpochMetrics

FACTS = ("point", "formula", "key", "params", "macs", "growth", "variance", "seconds")
DATABASE = "study.db"
STUDY_NAME = "search"
LOCK_TIMEOUT_SECONDS = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(run: Run, document: SpaceDocument, seed: int, epochs: int) -> optuna.Study:
    """The study of `run`, made where there is none; its sampler is seeded by the study's seed and its progress."""
    path = run.folder / DATABASE
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers never wait, and a killed writer leaves it whole
    connection.close()
    arguments = {"connect_args": {"timeout": LOCK_TIMEOUT_SECONDS}}
    study = optuna.create_study(
        storage=RDBStorage(f"sqlite:///{path}", engine_kwargs=arguments),
        study_name=STUDY_NAME,
        direction="maximize",
        load_if_exists=True,
        pruner=pruner(document.search.pruner, epochs),
    )
    study.sampler = sampler(document.search.sampler, derive_seed(seed, "sampler", len(study.trials)))
    return study


def enqueue_points(study: optuna.Study, space: Space) -> None:
    """Puts the named points first in the queue of a study, unless they are in it."""
    known = {trial.user_attrs.get("point") for trial in study.trials}
    for name, values in space.points.items():
        if name not in known:
            study.enqueue_trial(dict(values), user_attrs={"point": name})


def suggest(trial: Trial, name: str, domain: Domain) -> Value:
    """The value of one symbol in a trial."""
    match domain:
        case Range(low, high, step, log) if domain.whole:
            return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=log)
        case Range(low, high, step, log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case _:
            return cast(Value, trial.suggest_categorical(name, domain))


def record(trial: Trial, **facts: object) -> None:
    """Keeps facts about a trial in the study."""
    for name, value in facts.items():
        trial.set_user_attr(name, value)


def finish(run: Run, study: optuna.Study, trial: Trial, state: TrialState, value: float | None, reason: str) -> None:
    """Tells the study how a trial ended, and writes its document."""
    if reason:
        trial.set_user_attr("reason", reason)
    frozen = study.tell(trial, value if state == TrialState.COMPLETE else None, state)
    write_trial(run, frozen)


def report_epoch(trial: Trial, metrics: EpochMetrics) -> bool:
    """Reports an epoch's validation accuracy; whether the study's pruner would go on."""
    assert metrics.validation_accuracy is not None
    trial.report(metrics.validation_accuracy, metrics.epoch)
    return not trial.should_prune()


def write_trial(run: Run, trial: FrozenTrial) -> None:
    """Writes the document of a trial that has ended, all of it taken from the study."""
    write_json(run.trial_file(trial.number), trial_document(trial))


def trial_document(trial: FrozenTrial) -> dict[str, Any]:
    """A trial as the leaderboard and other readers see it."""
    facts: Mapping[str, Any] = trial.user_attrs
    return {
        "schema": 1,
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.value if trial.state == TrialState.COMPLETE else _last_value(trial),
        "epochs": [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
        "values": trial.params,
        **{
            name: facts.get(name)
            for name in ("point", "formula", "key", "params", "macs", "growth", "variance", "seconds")
        },
        "duplicate_of": facts.get("duplicate_of"),
        "reason": facts.get("reason", ""),
    }


def _last_value(trial: FrozenTrial) -> float | None:
    return trial.intermediate_values[trial.last_step] if trial.last_step is not None else None


def count_states(study: optuna.Study) -> dict[str, int]:
    """How many trials are in each state, duplicates apart."""
    counts = {state.name.lower(): 0 for state in TrialState}
    counts["duplicate"] = 0
    for trial in study.trials:
        counts["duplicate" if "duplicate_of" in trial.user_attrs else trial.state.name.lower()] += 1
    return counts
