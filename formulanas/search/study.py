"""The study of a run: Optuna's, on disk in the run's folder, and the trial documents that are derived from it."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from formulanas.formula.bind import Value
from formulanas.records import write_json
from formulanas.search.pruners import find_pruner, progress_of
from formulanas.search.space import Domain, Range, Space, SpaceDocument
from formulanas.store import Run
from formulanas.training.training import EpochMetrics

FACTS = ("point", "formula", "key", "backbone", "params", "macs", "growth", "variance", "latency", "memory", "seconds")
DATABASE = "study.db"
STUDY_NAME = "search"
LOCK_TIMEOUT_SECONDS = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _Connection(sqlite3.Connection):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        # A power cut may then take back the last trials, but leaves the study whole; a killed process takes nothing
        self.execute("PRAGMA synchronous=NORMAL").close()


def open_storage(path: Path) -> RDBStorage:
    """The storage of studies in the file `path`."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers never wait, and a killed writer leaves it whole
    connection.close()
    arguments = {"connect_args": {"timeout": LOCK_TIMEOUT_SECONDS, "factory": _Connection}}
    return RDBStorage(f"sqlite:///{path}", engine_kwargs=arguments)


def open_study(run: Run, document: SpaceDocument) -> optuna.Study:
    """The study of `run`, made where there is none."""
    costs: list[Literal["minimize"]] = ["minimize"] * (len(document.search.objectives) - 1)
    return optuna.create_study(
        storage=open_storage(run.folder / DATABASE),
        study_name=STUDY_NAME,
        directions=["maximize", *costs],
        load_if_exists=True,
    )


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


def finish(
    run: Run, study: optuna.Study, trial: Trial, state: TrialState, values: Sequence[float] | None, reason: str
) -> FrozenTrial:
    """Tells the study how a trial ended, and writes its document; returns the ended trial."""
    if reason:
        trial.set_user_attr("reason", reason)
    frozen = study.tell(trial, values if state == TrialState.COMPLETE else None, state)
    write_trial(run, frozen)
    return frozen


def report_epoch(trial: Trial, metrics: EpochMetrics, pruner: str, epochs: int) -> bool:
    """Keeps an epoch's validation accuracy in the study; whether `pruner` would go on to the end of `epochs`."""
    assert metrics.validation_accuracy is not None
    storage, study = trial.study._storage, trial.study
    storage.set_trial_intermediate_value(trial._trial_id, metrics.epoch, metrics.validation_accuracy)
    trials = study.get_trials(deepcopy=False)
    own = dict(next(each for each in trials if each.number == trial.number).intermediate_values)
    return not find_pruner(pruner)(progress_of(trial.number, own, trials, epochs))


def write_trial(run: Run, trial: FrozenTrial) -> None:
    """Writes the document of a trial that has ended, all of it taken from the study."""
    write_json(run.trial_file(trial.number), trial_document(trial))


def trial_document(trial: FrozenTrial) -> dict[str, Any]:
    """A trial as the leaderboard and other readers see it."""
    facts: Mapping[str, Any] = trial.user_attrs | trial.user_attrs.get("figures", {})
    return {
        "schema": 1,
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.values[0] if trial.state == TrialState.COMPLETE else _last_value(trial),
        "epochs": [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
        "values": trial.params,
        **{name: facts.get(name) for name in FACTS},
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
