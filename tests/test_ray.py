"""Ray on one machine: the same study as the local executor's, stopped and resumed under either, and whole whatever dies.

FORMULANAS_KILLS=20 repeats each test that kills at a random moment 20 times.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import KILLS, QUIET, assert_ends, assert_whole, descendants, started, wait_for_ended
from tiny_search import commands_in, leaderboard, trials


def assert_resumes(folder: Path, before: list[dict[str, object]], *arguments: str) -> None:
    """The run goes on to its end, and what had ended `before` is as it was."""
    result = commands_in(folder)("search", "--resume", "--name", "run", *arguments)
    assert result.returncode == 0, result.stderr
    after = {trial["number"]: trial for trial in trials(folder, "run")}
    assert [after[trial["number"]] for trial in before] == before
    assert_whole(folder, "run", 5)


def test_without_ray_it_is_not_loaded(tmp_path: Path) -> None:
    """A local search imports no ray."""
    commands_in(tmp_path)
    code = (
        "import sys; from formulanas.api import search\n"
        "if __name__ == '__main__':\n"
        "    search('space.yaml', trials=2, workers=1)\n"
        "    sys.exit('ray' in sys.modules)"
    )
    (tmp_path / "main.py").write_text(code)
    assert subprocess.run([sys.executable, "main.py"], cwd=tmp_path, env=QUIET, capture_output=True).returncode == 0


@pytest.mark.slow
def test_ray_and_local_are_one_study(finished_run: Path) -> None:
    """The same seed and one worker: trial by trial the same documents, and the same leaderboard to the last digit."""
    result = commands_in(finished_run)(
        "search", "space.yaml", "--name", "on-ray", "--seed", "3", "--workers", "1", "--executor", "ray"
    )
    assert result.returncode == 0, result.stderr
    assert "dashboard http://127.0.0.1:" in result.stderr
    assert leaderboard(finished_run, "on-ray") == leaderboard(finished_run, "first")
    here, there = (
        [{**trial, "seconds": trial["seconds"] is None} for trial in trials(finished_run, run)]
        for run in ("first", "on-ray")
    )
    assert here == there


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("local", "ray"), ("ray", "local")])
def test_a_run_may_change_its_executor(tmp_path: Path, first: str, second: str) -> None:
    """Ctrl-C under one executor, --resume under the other: nothing is lost, nothing is done twice."""
    settings = ["--set", "proxy.recipe.epochs=10"]
    with started(tmp_path, "space.yaml", "--name", "run", "--workers", "2", "--executor", first, *settings) as process:
        wait_for_ended(tmp_path, "run", 2, process)
        os.killpg(process.pid, signal.SIGINT)
        assert_ends(process, tmp_path, 130)
    before = trials(tmp_path, "run")
    assert_resumes(tmp_path, before, "--workers", "2", "--executor", second)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_driver_loses_nothing(tmp_path: Path, seed: int) -> None:
    """Kill -9 of the driver at any moment, then --resume: every trial exactly once, and no worker stays behind."""
    generator = random.Random(seed)
    arguments = ["--workers", "2", "--executor", "ray"]
    with started(tmp_path, "space.yaml", "--name", "run", "--set", "proxy.recipe.epochs=10", *arguments) as process:
        wait_for_ended(tmp_path, "run", generator.randrange(3), process)
        time.sleep(generator.uniform(0, 3))
        workers = [pid for pid, title in descendants(process).items() if title.startswith(("ray::t", "ray::T"))]
    before = trials(tmp_path, "run")
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    executor = generator.choice(["local", "ray"])
    assert_resumes(tmp_path, before, "--executor", executor)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_actor_is_replaced(tmp_path: Path, seed: int) -> None:
    """Kill -9 of an actor at any moment, at work or idle, costs nothing but time."""
    generator = random.Random(seed)
    settings = ["--set", "proxy.recipe.epochs=10", "--workers", "2", "--executor", "ray"]
    with started(tmp_path, "space.yaml", "--name", "run", *settings) as process:
        for count in (generator.randrange(3), 3):
            wait_for_ended(tmp_path, "run", count, process)
            time.sleep(generator.uniform(0, 1))
            workers = [pid for pid, title in descendants(process).items() if title.startswith(("ray::t", "ray::T"))]
            if workers:
                os.kill(generator.choice(workers), signal.SIGKILL)
        assert_ends(process, tmp_path, 0)
    assert_whole(tmp_path, "run", 5)


@pytest.mark.slow
def test_a_trial_that_always_ends_its_worker_fails_alone(tmp_path: Path) -> None:
    """It is begun three times and then told as failed, with the reason; every other trial completes."""
    settings = ["--set", "proxy.recipe.epochs=20", "--workers", "2", "--executor", "ray"]
    with started(tmp_path, "space.yaml", "--name", "run", *settings) as process:
        deadline, kills = time.monotonic() + 150, 0
        while len(trials(tmp_path, "run")) < 5 and process.poll() is None and time.monotonic() < deadline:
            for pid, title in descendants(process).items():
                if title.startswith("ray::trial 1 "):  # Ray shows the task's name as the process's
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
            time.sleep(0.2)
        assert_ends(process, tmp_path, 0)
    found = trials(tmp_path, "run")
    assert (found[1]["state"], kills) == ("FAIL", 3)
    assert "the worker was lost" in str(found[1]["reason"])
    others = [trial for trial in found if trial["number"] != 1 and trial["duplicate_of"] != 1]
    assert "FAIL" not in {trial["state"] for trial in others}


@pytest.mark.slow
def test_a_diverged_training_fails_with_the_reason(tmp_path: Path) -> None:
    """A loss that is no number is told as a failure, as under the local executor."""
    run = commands_in(tmp_path)
    result = run(
        *("search", "space.yaml", "--name", "run", "--trials", "2", "--executor", "ray"),
        *("--set", "proxy.recipe.learning_rate=1.0e+30"),
    )
    assert result.returncode == 2
    assert "no trial of run completed" in result.stderr
    assert {(trial["state"], str(trial["reason"])[:20]) for trial in trials(tmp_path, "run")} == {
        ("FAIL", "the training loss is")
    }
