"""The search, run for real on the embedded images: points first, no key twice, repeatable, resumable, the test set shut."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tiny_search import TINY_SPACE, Command, command_in, leaderboard, trials

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula
from formulanas.progress import Progress
from formulanas.search.driver import Driver
from formulanas.search.executors.task import Message
from formulanas.search.run import create_run, resume_run
from formulanas.search.samplers.catalogue import find_sampler
from formulanas.search.screening.screen import figures, reason_to_reject
from formulanas.search.search import prepare_study
from formulanas.search.space.document import read_space
from formulanas.search.space.settings import Limits
from formulanas.training.training import EpochMetrics

# Python reads this at the start of every process that the program below starts: it notes each data file that is opened
SPY = """
import os, sys
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith((".webp", ".npy", ".bin")):
        with open(os.environ["OPENED"], "a") as log:
            log.write(os.path.basename(arguments[0]) + "\\n")
sys.addaudithook(note)
"""
PROGRAM = """
import os, sys
from pathlib import Path
from formulanas.cli.main import main
from formulanas.data import mini
if __name__ == "__main__":
    search = ["search", "space.yaml", "--name", "spied", "--trials", "2", "--set", "confirm.top=1"]
    main(search, standalone_mode=False)
    Path("modules").write_text(" ".join(sys.modules))
    Path(os.environ["OPENED"]).rename("opened-by-search")
    mini.FOLDER = Path(sys.argv[1])
    main(["retrain", "spied", "--backbone", "cifar-resnet-8", "--epochs", "1"], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def spied(tmp_path_factory: pytest.TempPathFactory, few_images_folder: Path) -> Path:
    """A folder with the files that all processes of a search opened, those of a retraining, and the search's modules."""
    folder = tmp_path_factory.mktemp("spied")
    (folder / "sitecustomize.py").write_text(SPY)
    (folder / "program.py").write_text(PROGRAM)
    (folder / "space.yaml").write_text(TINY_SPACE)
    environment = {**os.environ, "PYTHONPATH": str(folder), "OPENED": str(folder / "opened"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "program.py", str(few_images_folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_named_points_run_first_and_are_on_the_leaderboard(finished_run: Path) -> None:
    """Baselines come before anything that a sampler proposes, and are never stopped."""
    first, second, *_ = trials(finished_run, "first")
    assert (first["point"], second["point"]) == ("plain", "resnet")
    rows = leaderboard(finished_run, "first")["rows"]
    assert {"plain", "resnet"} <= {row["name"] for row in rows}
    assert {row["formula"] for row in rows} >= {bind_formula("plain").text, bind_formula("resnet").text}


def test_no_key_is_trained_twice(finished_run: Path) -> None:
    """Trials that were trained have distinct keys; a duplicate carries the known value."""
    found = trials(finished_run, "first")
    trained = [trial for trial in found if trial["duplicate_of"] is None and trial["seconds"] is not None]
    assert max(Counter(trial["key"] for trial in trained).values()) == 1
    assert len(trained) == 5
    by_number = {trial["number"]: trial for trial in found}
    for trial in found:
        if trial["duplicate_of"] is not None:
            original = by_number[trial["duplicate_of"]]
            assert (trial["key"], trial["state"]) == (original["key"], original["state"])


def test_a_duplicate_has_the_facts_of_its_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named point of an architecture that has another name is told its result, with its figures."""
    monkeypatch.chdir(tmp_path)
    again = 'points:\n  again: {h: relu, p: 1, "a[1]": 1, q: 0}'
    (tmp_path / "space.yaml").write_text(TINY_SPACE.replace("points:", again))
    run, settings = create_run(Path("space.yaml"), read_space(Path("space.yaml")), "run", 3, 0, None)
    study = prepare_study(run, settings)
    driver = Driver(run, settings, settings.space.search, study, find_sampler("random"), Progress())
    while (task := driver.next()) is not None:
        for epoch in (1, 2):
            metrics = EpochMetrics(epoch, 1.0, 0.1, 1.0, task.number / 100, 0.0)
            driver.handle(task.number, Message("epoch", metrics, {"latency": 2.0} if epoch == 1 else {}))
        driver.handle(task.number, Message("done"))
    found = trials(tmp_path, "run")
    assert [trial["point"] for trial in found] == ["again", "plain", "resnet", None]
    assert [trial["duplicate_of"] for trial in found] == [None, None, 0, None]
    for name in ("key", "state", "value", "formula", "params", "macs", "growth", "variance", "latency"):
        assert found[2][name] == found[0][name] is not None


def test_a_run_is_whole_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while its folder is made leaves no run; after that, --resume finds it, and its points come first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(TINY_SPACE)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create_run(Path("space.yaml"), read_space(Path("space.yaml")), "run", None, 0, None)
    assert list((tmp_path / "runs").iterdir()) == []
    made = create_run(Path("space.yaml"), read_space(Path("space.yaml")), "run", None, 0, None)
    run, settings = resume_run(None, Path("space.yaml"))
    assert (run, settings) == made
    study = prepare_study(run, settings)
    assert [study.ask().point for _ in range(study.num_waiting)] == ["plain", "resnet"]
    with pytest.raises(InputError, match=r"the run run exists; go on with it by --resume"):
        create_run(Path("space.yaml"), read_space(Path("space.yaml")), "run", None, 0, None)


def test_starts_at_once_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight searches of one space that start at the same moment are eight runs, with the next free numbers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(TINY_SPACE)
    document = read_space(Path("space.yaml"))
    barrier = threading.Barrier(8)

    def start(_: int) -> str:
        barrier.wait()
        return create_run(Path("space.yaml"), document, None, None, 0, None)[0].name

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(start, range(8))) == [f"space-{number}" for number in range(1, 9)]


def test_candidates_over_the_limits_are_pruned_untrained_with_the_reason(finished_run: Path) -> None:
    """The space is exhausted: what keeps the limits is trained, nothing else but the named points."""
    result = command_in(finished_run)(
        "search", "space.yaml", "--name", "narrow", "--trials", "4", "--set", "limits.params=1_420"
    )
    assert result.exit_code == 0, result.stderr
    narrow = trials(finished_run, "narrow")
    # the points, and of all others the only one without a shortcut
    assert sum(trial["seconds"] is not None for trial in narrow) == 3
    assert any("parameters, at most 1,420 allowed" in str(trial["reason"]) for trial in narrow)
    growing = [trial for trial in narrow if trial["duplicate_of"] is None and (trial["growth"] or 0) > 1.9]
    assert {(trial["state"], trial["seconds"]) for trial in growing} == {("PRUNED", None)}
    assert "the space has nothing new" in result.stderr
    board = leaderboard(finished_run, "narrow")
    assert board["best"]["params"] == 1_406
    assert [row["name"] for row in board["rows"] if row["beyond"]] == ["resnet"]  # a baseline, trained and last
    assert board["rows"][-1]["name"] == "resnet"


def test_a_state_that_grows_too_fast_is_not_trained() -> None:
    """x[n] = 2 x[n-1] + F[n](x[n-1]) doubles the state per block: more than 1.9, not more than 2."""
    candidate = figures(Architecture(bind("x[n] = 2 * x[n-1] + F[n](x[n-1])"), Backbone((8,), (2,)), (3, 16, 16), 10))
    assert reason_to_reject(candidate, Limits(growth=2)) == ""
    assert reason_to_reject(candidate, Limits(growth=1.9)) == "the state grows by 2.000 per block, at most 1.9 allowed"


def test_a_state_that_begins_too_large_is_not_trained() -> None:
    """x[n] = x[n-1] + F[n](x[n-1]) ends with a variance of about 1 + 4 after four blocks: within 10, not within 3."""
    candidate = figures(Architecture(bind("x[n] = x[n-1] + F[n](x[n-1])"), Backbone((8,), (4,)), (3, 16, 16), 10))
    assert reason_to_reject(candidate, Limits(variance=10)) == ""
    assert "variance of 4." in reason_to_reject(candidate, Limits(variance=3))


def test_the_study_on_disk_is_the_truth(finished_run: Path) -> None:
    """Optuna opens the study, and says what the trial documents say."""
    study = optuna.load_study(
        study_name="search",
        storage=JournalStorage(JournalFileBackend(f"{finished_run}/runs/first/study.journal")),
    )
    documents = trials(finished_run, "first")
    assert [trial.state.name for trial in study.trials] == [document["state"] for document in documents]
    complete = [
        (trial.value, document["value"]) for trial, document in zip(study.trials, documents, strict=True) if trial.value
    ]
    assert complete
    assert all(value == told for value, told in complete)


def test_confirmation_decides(finished_run: Path) -> None:
    """Confirmed rows have n fresh seeds and lead the board; the best is the highest of their means."""
    document = leaderboard(finished_run, "first")
    confirmed = [row for row in document["rows"] if row["confirmed"]]
    assert document["rows"][: len(confirmed)] == confirmed
    assert all(row["n"] == 2 and row["deviation"] is not None for row in confirmed)
    assert document["best"] == max(confirmed, key=lambda row: row["mean"])
    results = [json.loads(path.read_text()) for path in (finished_run / "runs/first/confirm").glob("*.json")]
    means = {row["key"]: row["mean"] for row in confirmed}
    for key, mean in means.items():
        values = [each["value"] for each in results if each["key"] == key]
        assert mean == pytest.approx(sum(values) / len(values))


def test_a_seed_makes_a_run_repeatable(finished_run: Path) -> None:
    """The same seed and one worker give the same leaderboard to the last digit, which --json prints as it is kept."""
    again = ("search", "space.yaml", "--name", "again", "--seed", "3", "--workers", "1", "--json")
    result = command_in(finished_run)(*again)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((finished_run / "runs/again/leaderboard.json").read_text())
    assert leaderboard(finished_run, "again") == leaderboard(finished_run, "first")


def test_a_search_never_opens_the_test_set(spied: Path) -> None:
    """Every file that any process of a search opens is seen; a retraining opens the test images, and once."""
    opened = Counter((spied / "opened-by-search").read_text().split())
    assert opened["train.webp"] >= 1
    assert opened["test.webp"] == opened["test-labels.npy"] == 0
    assert Counter((spied / "opened").read_text().split())["test.webp"] == 1
    (result,) = spied.glob("runs/*/retrain/*/result.json")
    assert json.loads(result.read_text())["test_images"] == 100


def test_a_local_search_loads_neither_ray_nor_the_reader_of_the_test_set(spied: Path) -> None:
    """What could open the test set is not there, and Ray, whose import takes seconds, is for those who ask for it."""
    modules = (spied / "modules").read_text().split()
    assert "formulanas.data.training_set" in modules
    assert "formulanas.data.test_set" not in modules
    assert "ray" not in modules


def test_a_run_its_best_and_a_trial_are_targets(finished_run: Path) -> None:
    """best, RUN, RUN:best and RUN:0 are shown with the run's own backbone."""
    run: Command = command_in(finished_run)
    best = json.loads(run("show", "first:best", "--json").stdout)
    assert best["formula"] == leaderboard(finished_run, "first")["best"]["formula"]
    assert json.loads(run("show", "first", "--json").stdout)["key"] == best["key"]
    assert json.loads(run("show", "best", "--json").stdout)["params"] > 0
    zero = json.loads(run("show", "first:0", "--json").stdout)
    assert zero["formula"] == bind_formula("plain").text
    for target, words in (
        ("first:99", "no ended trial 99"),
        ("frist", "did you mean 'first'"),
        ("first:worst", "names no trial"),
    ):
        result = run("show", target)
        assert result.exit_code == 2
        assert words in result.stderr


def test_a_status_counts_the_trials_of_a_run(finished_run: Path) -> None:
    """The contract's keys, with the trials counted by state."""
    status = json.loads(command_in(finished_run)("status", "first", "--json").stdout)
    assert (status["run"], status["state"]) == ("first", "finished")
    assert sum(count for state, count in status["trials"].items() if state != "duplicate") >= 5
    assert status["best"]["formula"] == leaderboard(finished_run, "first")["best"]["formula"]
