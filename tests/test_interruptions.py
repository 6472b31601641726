"""Interruptions: whatever is killed, nothing that was finished is lost, and nothing is done twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import torch
from model_folders import read_lines
from processes import KILLS
from tiny_search import commands_in, trials

from formulanas.search.study.study import open_storage


def processes_of_group(group: int) -> str:
    """The processes of a process group, a line each."""
    return subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True).stdout


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_and_resumed_nothing_is_lost_or_doubled(tmp_path: Path, how: signal.Signals, seed: int) -> None:
    """Whatever ends a search, every finished trial is still there after --resume, none twice, and its workers are gone."""
    chance = random.Random(seed)
    least = chance.randint(0, 5)
    run = commands_in(tmp_path)
    arguments = [
        "search",
        "space.yaml",
        "--name",
        "killed",
        "--trials",
        "6",
        "--workers",
        "2",
        "--set",
        "proxy.recipe.epochs=4",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "formulanas", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (tmp_path / "runs/killed/study.journal").exists():
        time.sleep(0.05)
    while len(trials(tmp_path, "killed")) < least and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(chance.random())
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL), errors
    before = {trial["number"]: trial for trial in trials(tmp_path, "killed")}
    assert len(before) >= least
    deadline = time.monotonic() + 30
    while (alive := processes_of_group(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive == ""

    result = run("search", "space.yaml", "--name", "killed")
    assert result.returncode == 2
    assert "--resume" in result.stderr
    result = run("search", "space.yaml", "--resume", "--name", "killed")
    assert result.returncode == 0, result.stderr
    after = {trial["number"]: trial for trial in trials(tmp_path, "killed")}
    assert {number: after[number] for number in before} == before
    trained = [
        trial["key"] for trial in after.values() if trial["seconds"] is not None and trial["duplicate_of"] is None
    ]
    assert len(trained) == len(set(trained)) == 6
    assert not any(trial["state"] == "RUNNING" for trial in after.values())
    again = run("search", "--resume", "--name", "killed")  # of a finished run: its leaderboard, nothing trained
    assert again.returncode == 0
    assert len(trials(tmp_path, "killed")) == len(after)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_dead_worker_is_replaced_and_its_trial_trained_again(tmp_path: Path, seed: int) -> None:
    """Kill -9 of a worker costs nothing but time: no trial is lost or failed."""
    commands_in(tmp_path)
    arguments = [
        "search",
        "space.yaml",
        "--name",
        "w",
        "--trials",
        "3",
        "--workers",
        "1",
        "--set",
        "proxy.recipe.epochs=6",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "formulanas", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    metrics = tmp_path / "runs/w/trials/0000/metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.is_file() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(seed * 0.1)  # any moment of the trials to come
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "forkserver"], capture_output=True, text=True
    ).stdout.split()
    workers = subprocess.run(["pgrep", "-P", ",".join(children)], capture_output=True, text=True).stdout.split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert seed > 0 or "it is trained again" in errors
    trained = [
        trial for trial in trials(tmp_path, "w") if trial["duplicate_of"] is None and trial["seconds"] is not None
    ]
    assert [trial["state"] for trial in trained] == ["COMPLETE"] * 3
    assert len({trial["key"] for trial in trained}) == 3


def test_a_killed_retraining_ends_in_the_same_weights(tmp_path: Path) -> None:
    """Kill -9 in the middle of a retraining, then --resume: bit for bit the weights of the uninterrupted one."""
    run = commands_in(tmp_path)
    formula = [
        "x[n] = x[n-1] + F[n](x[n-1])",
        "--dataset",
        "cifar10-mini",
        "--epochs",
        "2",
        "--checkpoint-minutes",
        "0",
        "--backbone",
        "cifar-resnet-8",
    ]
    whole = run("retrain", *formula, OMP_NUM_THREADS="1")
    assert whole.returncode == 0, whole.stderr
    (folder,) = (tmp_path / "runs/retrained").iterdir()
    weights = torch.load(folder / "weights.pt", weights_only=True)
    folder.rename(tmp_path / "whole")
    process = subprocess.Popen(
        [sys.executable, "-m", "formulanas", "retrain", *formula],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (folder / "metrics.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.kill()
    process.wait()
    assert not (folder / "result.json").exists()
    resumed = run("retrain", *formula, "--resume", OMP_NUM_THREADS="1")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed   at step" in resumed.stderr
    again = torch.load(folder / "weights.pt", weights_only=True)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    first, second = (read_lines(path / "metrics.jsonl") for path in (tmp_path / "whole", folder))
    assert [(line["epoch"], line["train_loss"]) for line in first] == [
        (line["epoch"], line["train_loss"]) for line in second
    ]


def test_one_driver_a_run(finished_run: Path) -> None:
    """A second driver of the same run is refused while the first holds it."""
    import fcntl

    with (finished_run / "runs/first/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = commands_in(finished_run)("search", "--resume", "--name", "first")
    assert result.returncode == 2
    assert "another process is working" in result.stderr


def test_the_study_outlives_a_torn_write(tmp_path: Path) -> None:
    """What a killed writer began to write is cut off; before and after it nothing is lost."""
    path = tmp_path / "study.journal"
    study = optuna.create_study(storage=open_storage(path), study_name="search")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:20])
    again = optuna.load_study(storage=open_storage(path), study_name="search")
    again.add_trial(optuna.trial.create_trial(value=2.0))
    seen = optuna.load_study(storage=open_storage(path), study_name="search")
    assert [trial.value for trial in seen.trials] == [1.0, 2.0]
