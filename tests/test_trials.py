"""The records of trials and confirmations: read as they were written, by whatever version, or one message with the file."""

import json
import shutil
from pathlib import Path

import pytest

from formulanas.errors import InputError
from formulanas.records import to_plain
from formulanas.store.runs import Run
from formulanas.store.trials import (
    ConfirmationRecord,
    TrialRecord,
    begun_trials,
    read_confirmations,
    read_trial,
    read_trials,
    write_confirmation,
    write_metrics,
    write_trial,
)

GOLDEN = Path(__file__).parent / "golden" / "runs"


@pytest.mark.parametrize(("name", "ended", "trained"), [("golden", 11, 8), ("interrupted", 6, 2)])
def test_kept_runs_are_read_for_ever(name: str, ended: int, trained: int) -> None:
    """Every key of every document is a field; the trained trials of the finished run are as many as it was asked for."""
    run = Run(GOLDEN / name)
    found = read_trials(run)
    assert [trial.number for trial in found] == list(range(ended))
    assert sum(trial.is_trained for trial in found) == trained
    for trial in found:
        document = json.loads((run.folder / f"trials/{trial.number:04}/trial.json").read_text())
        assert {"schema": 1, **to_plain(trial)} == document
    for confirmation in read_confirmations(run):
        document = json.loads((run.folder / f"confirm/{confirmation.key}-{confirmation.draw}.json").read_text())
        assert {"schema": 1, **to_plain(confirmation)} == document


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Also a trial of which little is known; metrics begin anew where nothing is appended."""
    run = Run(tmp_path)
    trials = [TrialRecord(0, "COMPLETE", 0.5, (0.4, 0.5), {"h": "relu", "a[1]": -0.5}), TrialRecord(1, "FAIL")]
    confirmation = ConfirmationRecord("key", "x[n] = F[n](x[n-1])", 2, 3, "digest", None, 1.5, "diverged")
    for trial in reversed(trials):
        write_trial(run, trial)
    write_confirmation(run, confirmation)
    assert read_trials(run) == trials
    assert read_trial(run, 1) == trials[1]
    assert read_confirmations(run) == [confirmation]
    write_metrics(run, 7, [{"epoch": 1}])
    write_metrics(run, 7, [{"epoch": 2}])
    path = tmp_path / "trials/0007/metrics.jsonl"
    assert path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
    write_metrics(run, 7, [])
    assert path.read_text() == ""
    assert begun_trials(run) == {7}
    with pytest.raises(InputError, match=r"has no ended trial 7; its trials are 0 to 1"):
        read_trial(run, 7)


def test_what_was_trained() -> None:
    """To the end, stopped after an epoch, or failed; not what was rejected before, nor a duplicate of what was trained."""
    known = {"key": "k", "formula": "x[n] = F[n](x[n-1])"}
    trained = [
        TrialRecord(0, "COMPLETE", 0.5, (0.5,), **known),  # type: ignore[arg-type]
        TrialRecord(1, "PRUNED", 0.5, (0.5,), **known),  # type: ignore[arg-type]
        TrialRecord(2, "FAIL", **known),  # type: ignore[arg-type]
    ]
    others = [
        TrialRecord(3, "PRUNED", **known),  # type: ignore[arg-type]
        TrialRecord(4, "PRUNED", reason="no architecture"),
        TrialRecord(5, "COMPLETE", 0.5, duplicate_of=0, **known),  # type: ignore[arg-type]
    ]
    assert [trial.is_trained for trial in (*trained, *others)] == [True, True, True, False, False, False]
    assert [trial.is_completed for trial in (*trained, *others)] == [True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"schema": 2}, "has the schema 2"), ({"state": "DONE"}, "state"), ({"value": "high"}, "value"), ({"worth": 1}, "worth")],
)  # fmt: skip
def test_a_document_of_another_form_is_named(change: dict[str, object], words: str, tmp_path: Path) -> None:
    """A newer schema, and values and keys that no trial has."""
    shutil.copytree(GOLDEN / "golden", tmp_path / "run")
    path = tmp_path / "run/trials/0003/trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words) as raised:
        read_trials(Run(tmp_path / "run"))
    assert str(path) in str(raised.value)
