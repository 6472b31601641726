"""The study of a search: its trials as typed records, and Optuna's study on disk, which is the truth."""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Values
from formulanas.search.samplers.history import History, history
from formulanas.search.space.space import Domain
from formulanas.search.study.optuna_private import trial_to_tell
from formulanas.search.study.pruners import Progress
from formulanas.search.study.trial import OpenTrial, distribution, epochs_of, record_of
from formulanas.store.trials import CompletedTrial, State, TrialRecord, completed

JOURNAL = "study.journal"
STUDY_NAME = "search"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _NoLock(JournalFileOpenLock):
    """A run has a lock of its own, which lets one process write; it ends with its holder, as Optuna's does not."""

    def __init__(self) -> None:
        pass

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


def open_study(folder: Path, objectives: tuple[str, ...] = ("accuracy",)) -> "Study":
    """The study in the folder of a run, made where there is none."""
    if (folder / "study.db").is_file():
        raise InputError(f"the run {folder.name} was begun by an earlier version, whose study.db is read no more")
    return Study(open_storage(folder / JOURNAL), objectives)


class Study:
    """The trials of a search, by number: `ended` ones, and those `under_way`. Nobody else writes to their storage.

    The first of the `objectives` is the accuracy; the others are costs, which a TrialRecord has by their names.
    """

    def __init__(
        self, storage: optuna.storages.BaseStorage | None = None, objectives: tuple[str, ...] = ("accuracy",)
    ) -> None:
        costs: list[Literal["minimize"]] = ["minimize"] * (len(objectives) - 1)
        self.objectives = objectives
        self.optuna = optuna.create_study(
            storage=storage, study_name=STUDY_NAME, directions=["maximize", *costs], load_if_exists=True
        )
        self.ended: dict[int, TrialRecord] = {}
        self.under_way: dict[int, OpenTrial] = {}
        self.results: dict[str, TrialRecord] = {}  # of each architecture that was tried, by its key
        self.num_waiting = 0
        for trial in self.optuna.get_trials(deepcopy=False):
            if trial.state.is_finished():
                self._keep(record_of(trial))
            elif trial.state == TrialState.RUNNING:
                self.under_way[trial.number] = OpenTrial(trial_to_tell(self.optuna, trial), epochs_of(trial))
            else:
                self.num_waiting += 1

    def enqueue(self, points: Mapping[str, Mapping[str, Value]]) -> None:
        """Puts named points first in the queue, unless they are in the study."""
        known = {trial.user_attrs.get("point") for trial in self.optuna.get_trials(deepcopy=False)}
        for name, values in points.items():
            if name not in known:
                self.optuna.enqueue_trial(dict(values), user_attrs={"point": name})
                self.num_waiting += 1

    def ask(self) -> OpenTrial:
        """The first trial of the queue; where that is empty, a trial without values."""
        self.num_waiting = max(0, self.num_waiting - 1)
        return self._open(self.optuna.ask())

    def begin(self, values: Values, domain_of: Callable[[str], Domain]) -> OpenTrial:
        """A trial with `values`, written all at once: asking for each would be a transaction each."""
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(values),
            distributions={name: distribution(domain_of(name)) for name in values},
        )
        self.optuna.add_trial(template)
        return self._open(trial_to_tell(self.optuna, self.optuna.get_trials(deepcopy=False)[-1]))

    def end(self, trial: OpenTrial, state: State, reason: str = "", accuracy: float | None = None) -> list[TrialRecord]:
        """Tells how a trial ended, and its duplicates with it; returns the records of them all."""
        if reason:
            trial.keep(reason=reason)
        known = {**trial.facts, **trial.facts.get("figures", {}), "accuracy": accuracy}
        values = [known[name] for name in self.objectives] if state == "COMPLETE" else None
        record = record_of(self.optuna.tell(trial.trial, values, TrialState[state]))
        del self.under_way[trial.number]
        self._keep(record)
        return [record, *(ended for each in trial.duplicates for ended in self.repeat(record, each))]

    def known(self, trial: OpenTrial) -> TrialRecord | OpenTrial | None:
        """The earlier trial of the same architecture, if there is one."""
        under_way = (each for each in self._originals() if each.number < trial.number and each.key == trial.key)
        return next(under_way, self.results.get(trial.key or ""))

    def repeat(self, known: TrialRecord | OpenTrial, trial: OpenTrial) -> list[TrialRecord]:
        """Tells a trial the result of a known one of its architecture, as soon as there is one; returns the records."""
        trial.keep(duplicate_of=known.number)
        if isinstance(known, OpenTrial):
            known.duplicates.append(trial)
            return []
        trial.keep_figures_of(known)
        return self.end(trial, known.state, f"the same architecture as trial {known.number}", known.value)

    @property
    def num_trials(self) -> int:
        """All of them."""
        return len(self.ended) + len(self.under_way) + self.num_waiting

    @property
    def keys(self) -> frozenset[str]:
        """Those of all architectures that were tried or are under way."""
        return frozenset((*self.results, *(trial.key for trial in self._originals() if trial.key)))

    @property
    def num_trained(self) -> int:
        """The ended trials whose training began."""
        return sum(record.is_trained for record in self.results.values())

    @property
    def best(self) -> CompletedTrial | None:
        """The best completed trial so far that keeps the limits."""
        within = [trial for trial in completed(self.results.values()) if not trial.beyond]
        return max(within, key=lambda trial: (trial.value, -trial.number), default=None)

    def records(self) -> list[TrialRecord]:
        """The ended trials, in their order."""
        return [self.ended[number] for number in sorted(self.ended)]

    def counts(self) -> dict[str, int]:
        """How many trials are in each state, duplicates apart."""
        counts = {"running": 0, "complete": 0, "pruned": 0, "fail": 0, "waiting": self.num_waiting, "duplicate": 0}
        states = [(trial.state.lower(), trial.duplicate_of) for trial in self.ended.values()]
        states += [("running", trial.duplicate_of) for trial in self.under_way.values()]
        for state, duplicate_of in states:
            counts[state if duplicate_of is None else "duplicate"] += 1
        return counts

    def history(self, generator: random.Random) -> History:
        """What a sampler knows: duplicates are left out, and so are trials that never named an architecture."""
        tried = sorted(self.results.values(), key=lambda record: record.number)
        pending = [trial.values for trial in self._originals()]
        return history(tried, pending, self.keys, self.objectives, generator)

    def progress(self, trial: OpenTrial, epochs: int) -> Progress:
        """How a trial of so many `epochs` stands among all others; duplicates count once."""
        ended = [record.epochs for record in self.results.values()]
        under_way = [other.epochs for other in self._originals() if other is not trial]
        return Progress(trial.number, epochs, trial.epochs, [*ended, *under_way])

    def _originals(self) -> Iterator[OpenTrial]:
        """The trials under way that named an architecture first."""
        return (trial for trial in self.under_way.values() if trial.key and trial.duplicate_of is None)

    def _open(self, trial: optuna.Trial) -> OpenTrial:
        self.under_way[trial.number] = OpenTrial(trial)
        return self.under_way[trial.number]

    def _keep(self, record: TrialRecord) -> None:
        self.ended[record.number] = record
        if record.key and record.duplicate_of is None:
            self.results[record.key] = record
