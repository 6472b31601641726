"""The records of a run's ended trials and of their confirmations, a document each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from formulanas.errors import InputError
from formulanas.records import read_record, write_record
from formulanas.store.runs import Run

State = Literal["COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended, all of it taken from the study; what is not known of it is None."""

    SCHEMA: ClassVar[int] = 1

    number: int
    state: State
    value: float | None = None  # the validation accuracy after its last epoch
    epochs: tuple[float, ...] = ()  # the same after each
    values: dict[str, int | float | str] = field(default_factory=dict)  # of the symbols
    point: str | None = None  # the named point that it is
    formula: str | None = None
    key: str | None = None
    backbone: dict[str, Any] | None = None  # what differs from the proxy's
    params: int | None = None
    macs: int | None = None
    growth: float | None = None
    variance: float | None = None
    latency: float | None = None  # milliseconds an image, where it was measured
    memory: float | None = None  # bytes an image that training keeps, where it was measured
    seconds: float | None = None
    beyond: str | None = None  # the limit that a named point exceeds: it is a baseline, and no winner
    duplicate_of: int | None = None  # the trial of the same architecture that was trained
    reason: str = ""

    @property
    def is_completed(self) -> bool:
        """Whether it was trained to its end, and is no duplicate."""
        return self.state == "COMPLETE" and self.duplicate_of is None

    @property
    def is_trained(self) -> bool:
        """Whether its training began, and it is no duplicate; what is PRUNED without an epoch was rejected before."""
        return self.key is not None and self.duplicate_of is None and (self.state != "PRUNED" or bool(self.epochs))


@dataclass(frozen=True, kw_only=True)
class CompletedTrial(TrialRecord):
    """One that was trained to its end, and is no duplicate: what is None of others is known of it."""

    value: float
    formula: str
    key: str
    params: int
    macs: int
    seconds: float


def completed(trials: Iterable[TrialRecord]) -> list[CompletedTrial]:
    """The trials that were trained to the end, each architecture once."""
    return [CompletedTrial(**vars(trial)) for trial in trials if trial.is_completed]


@dataclass(frozen=True)
class ConfirmationRecord:
    """A training that confirms a candidate; `draw` counts its seeds, and `value` is None where it failed."""

    SCHEMA: ClassVar[int] = 1

    key: str
    formula: str
    draw: int
    epochs: int
    recipe: str  # the digest
    value: float | None
    seconds: float
    reason: str = ""


def trial_folder(run: Run, number: int) -> Path:
    """The folder of one trial."""
    return run.folder / "trials" / f"{number:04}"


def write_trial(run: Run, trial: TrialRecord) -> None:
    """Writes the document of a trial."""
    write_record(trial_folder(run, trial.number) / "trial.json", trial)


def read_trial(run: Run, number: int) -> TrialRecord:
    """One trial. Raises InputError where it has not ended."""
    path = trial_folder(run, number) / "trial.json"
    if not path.is_file():
        ended = [trial.number for trial in read_trials(run)]
        have = f"its trials are {ended[0]} to {ended[-1]}" if ended else "none has ended yet"
        raise InputError(f"the run {run.name} has no ended trial {number}; {have}")
    return read_record(TrialRecord, path)


def read_trials(run: Run) -> list[TrialRecord]:
    """All trials that have ended, in their order."""
    return [read_record(TrialRecord, path) for path in sorted(run.folder.glob("trials/*/trial.json"))]


def begun_trials(run: Run) -> set[int]:
    """The numbers of the trials whose training has begun."""
    return {int(path.parent.name) for path in run.folder.glob("trials/*/metrics.jsonl")}


def write_metrics(run: Run, number: int, epochs: Iterable[Mapping[str, Any]]) -> None:
    """Appends to the metrics of a trial; without `epochs` they begin anew."""
    path = trial_folder(run, number) / "metrics.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(each) + "\n" for each in epochs]
    with path.open("a" if lines else "w") as file:
        file.writelines(lines)


def write_error(run: Run, number: int, text: str) -> None:
    """Keeps what is known of the error that ended a trial."""
    (trial_folder(run, number) / "error.txt").write_text(text)


def confirmation_file(run: Run, key: str, draw: int) -> Path:
    """Where the result of a confirmation is kept."""
    return run.folder / "confirm" / f"{key}-{draw}.json"


def write_confirmation(run: Run, confirmation: ConfirmationRecord) -> None:
    """Writes the result of a confirmation."""
    write_record(confirmation_file(run, confirmation.key, confirmation.draw), confirmation)


def read_confirmations(run: Run) -> list[ConfirmationRecord]:
    """The results so far."""
    return [read_record(ConfirmationRecord, path) for path in sorted((run.folder / "confirm").glob("*.json"))]
