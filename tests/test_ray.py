"""Searches on Ray: the same study as the local executor's, stopped and resumed under either, and whole whatever dies.

One cluster serves all tests but those of the cluster that a search starts for itself.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import KILLS, assert_ends, assert_gone, assert_whole, started, wait_for_ended, wait_until
from ray_cluster import RayCluster, trials_of
from tiny_search import command_in, leaderboard, trials

pytestmark = pytest.mark.slow

SEARCH = ("search", "space.yaml", "--name", "run", "--set", "confirm.top=1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of two CPUs."""
    made = RayCluster()
    yield made
    made.close()


def on(cluster: RayCluster) -> tuple[str, ...]:
    """The options that give the work to a cluster."""
    return "--executor", "ray", "--address", cluster.address


def searched(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command, as a process of its own, said on its way to the end."""
    command_in(folder)
    with started(folder, *arguments, RAY_AUTH_MODE="token") as process:
        assert_ends(process, folder, code)
    return (folder / "errors").read_text()


def assert_resumes(folder: Path, before: list[dict[str, Any]], *arguments: str) -> None:
    """The run goes on to its end, and what had ended `before` is as it was."""
    resume = ("search", "--resume", "--name", "run", *arguments)
    if "ray" in arguments:
        searched(folder, *resume)
    else:
        assert command_in(folder)(*resume).exit_code == 0
    after = {trial["number"]: trial for trial in trials(folder, "run")}
    assert [after[trial["number"]] for trial in before] == before
    assert_whole(folder, "run", 5)


def test_ray_and_local_are_one_study(finished_run: Path) -> None:
    """The same seed and one worker: trial by trial the same documents, and the same leaderboard to the last digit."""
    arguments = ("--name", "on-ray", "--seed", "3", "--workers", "1", "--executor", "ray")
    said = searched(finished_run, "search", "space.yaml", *arguments)
    assert "dashboard http://127.0.0.1:" in said
    assert leaderboard(finished_run, "on-ray") == leaderboard(finished_run, "first")
    here, there = (
        [{**trial, "seconds": trial["seconds"] is None} for trial in trials(finished_run, run)]
        for run in ("first", "on-ray")
    )
    assert here == there


@pytest.mark.parametrize("first", ["local", "ray"])
def test_a_run_may_change_its_executor(tmp_path: Path, cluster: RayCluster, first: str) -> None:
    """Ctrl-C under one executor, --resume under the other: nothing is lost, nothing is done twice."""
    command_in(tmp_path)
    one, other = ((), on(cluster)) if first == "local" else (on(cluster), ())
    arguments = (*SEARCH, "--workers", "1", "--set", "proxy.recipe.epochs=10", *one)
    with started(tmp_path, *arguments, RAY_AUTH_MODE="token") as process:
        wait_for_ended(tmp_path, "run", 2, process)
        os.killpg(process.pid, signal.SIGINT)
        assert_ends(process, tmp_path, 130)
    before = trials(tmp_path, "run")
    assert_resumes(tmp_path, before, "--workers", "1", *other)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_driver_loses_nothing(tmp_path: Path, seed: int) -> None:
    """Kill -9 of the driver at any moment, then --resume: every trial exactly once, and no worker stays behind."""
    command_in(tmp_path)
    generator = random.Random(seed)
    arguments = ("--workers", "2", "--executor", "ray", "--set", "proxy.recipe.epochs=10")
    with started(tmp_path, *SEARCH, *arguments) as process:
        wait_for_ended(tmp_path, "run", generator.randrange(3), process)
        wait_until(lambda: trials_of(process.pid), process, tmp_path)
        time.sleep(generator.uniform(0, 3))
        workers = list(trials_of(process.pid))
        assert workers
    before = trials(tmp_path, "run")
    assert_gone(workers)
    assert_resumes(tmp_path, before, "--executor", "local" if seed % 2 == 0 else "ray")


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_actor_is_replaced(tmp_path: Path, cluster: RayCluster, seed: int) -> None:
    """Kill -9 of an actor at any moment, at work or idle, costs nothing but time."""
    command_in(tmp_path)
    generator, kills = random.Random(seed), 0
    arguments = ("--workers", "2", "--set", "proxy.recipe.epochs=10", *on(cluster))
    with started(tmp_path, *SEARCH, *arguments, RAY_AUTH_MODE="token") as process:
        for count in (generator.randrange(3), 3):
            wait_for_ended(tmp_path, "run", count, process)
            time.sleep(generator.uniform(0, 1))
            if workers := list(cluster.trials):
                os.kill(generator.choice(workers), signal.SIGKILL)
                kills += 1
        assert_ends(process, tmp_path, 0)
    assert kills > 0
    assert_whole(tmp_path, "run", 5)


def test_a_trial_that_always_ends_its_worker_fails_alone(tmp_path: Path, cluster: RayCluster) -> None:
    """It is begun three times and then told as failed, with the reason; every other trial completes."""
    command_in(tmp_path)
    arguments = ("--workers", "1", "--set", "proxy.recipe.epochs=20", *on(cluster))
    with started(tmp_path, *SEARCH, *arguments, RAY_AUTH_MODE="token") as process:
        deadline, kills = time.monotonic() + 150, 0
        while len(trials(tmp_path, "run")) < 5 and process.poll() is None and time.monotonic() < deadline:
            for pid, title in cluster.trials.items():
                if title.startswith("ray::trial 1 "):  # Ray shows the task's name as the process's
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
            time.sleep(0.2)
        assert_ends(process, tmp_path, 0)
    found = trials(tmp_path, "run")
    assert (found[1]["state"], kills) == ("FAIL", 3)
    assert "the worker was lost" in found[1]["reason"]
    others = [trial for trial in found if trial["number"] != 1 and trial["duplicate_of"] != 1]
    assert others
    assert "FAIL" not in {trial["state"] for trial in others}


def test_a_diverged_training_fails_with_the_reason(tmp_path: Path, cluster: RayCluster) -> None:
    """A loss that is no number is told as a failure, as under the local executor."""
    arguments = ("--workers", "1", "--trials", "2", "--set", "proxy.recipe.learning_rate=1.0e+30", *on(cluster))
    assert "no trial of run completed" in searched(tmp_path, *SEARCH, *arguments, code=2)
    assert {(trial["state"], trial["reason"][:20]) for trial in trials(tmp_path, "run")} == {
        ("FAIL", "the training loss is")
    }


def test_a_lost_node_is_survived(tmp_path: Path, cluster: RayCluster) -> None:
    """Two nodes, one lost in mid-run: its trial is trained again on the other, and the search ends with all trials."""
    command_in(tmp_path)
    cluster.add(num_cpus=1)
    arguments = ("--workers", "3", "--set", "proxy.recipe.epochs=60", *on(cluster))
    with started(tmp_path, *SEARCH, *arguments, RAY_AUTH_MODE="token") as process:
        trials = tmp_path / "runs/run/trials"

        def both_nodes_train() -> bool:
            """Three trials have told an epoch and go on: more than one of the nodes holds."""
            told = [path for path in trials.glob("*/metrics.jsonl") if path.stat().st_size]
            return sum(not path.with_name("trial.json").exists() for path in told) == 3

        wait_until(both_nodes_train, process, tmp_path)
        cluster.lose()
        assert_ends(process, tmp_path, 0)
    errors = (tmp_path / "errors").read_text()
    assert "3 worker(s) of Ray" in errors
    assert "it is trained again" in errors
    assert_whole(tmp_path, "run", 5)


def test_trials_share_a_gpu(tmp_path: Path, cluster: RayCluster) -> None:
    """Of a node with one GPU, as Ray counts them, two trials have half each side by side, or one has it all."""
    cluster.add(num_cpus=2, num_gpus=1)
    for gpus, workers in (("0.5", 2), ("1", 1)):
        arguments = (*SEARCH[:3], gpus, *SEARCH[4:], "--trials", "2", "--gpus", gpus, *on(cluster))
        assert f"{workers} worker(s) of Ray" in searched(tmp_path, *arguments)
        assert_whole(tmp_path, gpus, 2)
    cluster.lose()
