"""The study of a run: Optuna's, on disk in the run's folder, and the trial documents that are derived from it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial, Trial, TrialState

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.records import write_json
from formulanas.search.space.space import Domain, Range, Space, SpaceDocument
from formulanas.search.study.pruners import find_pruner, progress_of
from formulanas.store.runs import Run
from formulanas.training.training import EpochMetrics

FACTS = (
    *("point", "formula", "key", "backbone", "params", "macs", "growth", "variance", "latency", "memory", "seconds"),
    "beyond",
)
JOURNAL = "study.journal"
STUDY_NAME = "search"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _NoLock(BaseJournalFileLock):
    """A run has a lock of its own, which lets one process write; it ends with its holder, as Optuna's does not."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def open_storage(path: Path) -> JournalStorage:
    """The storage of a study in the file `path`: a line for each event, on disk before it is acted on."""
    if path.is_file():
        written = path.read_bytes()
        if torn := len(written) - written.rfind(b"\n") - 1:  # what a killed writer began; the next line would join it
            os.truncate(path, len(written) - torn)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock()))


def open_study(run: Run, document: SpaceDocument) -> optuna.Study:
    """The study of `run`, made where there is none."""
    if (run.folder / "study.db").is_file():
        raise InputError(f"the run {run.name} was begun by an earlier version, whose study.db is read no more")
    costs: list[Literal["minimize"]] = ["minimize"] * (len(document.search.objectives) - 1)
    return optuna.create_study(
        storage=open_storage(run.folder / JOURNAL),
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
    """The value of one symbol in a trial: the one that it began with, or what the study's sampler says."""
    return cast(Value, trial._suggest(name, distribution(domain)))


def begin(study: optuna.Study, values: Mapping[str, Value], domain_of: Callable[[str], Domain]) -> Trial:
    """A trial that runs with `values`, written all at once: asking for each would be a transaction each."""
    template = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=dict(values),
        distributions={name: distribution(domain_of(name)) for name in values},
    )
    return Trial(study, study._storage.create_new_trial(study._study_id, template))


def distribution(domain: Domain) -> BaseDistribution:
    """A domain as Optuna knows it."""
    match domain:
        case Range(low, high, step, log) if domain.whole:
            return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
        case Range(low, high, step, log):
            return FloatDistribution(low, high, log=log, step=step)
        case _:
            return CategoricalDistribution(domain)


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
    own = dict(trials[trial.number].intermediate_values)
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
