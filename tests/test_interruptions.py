"""Interruptions: whatever is killed, nothing that was finished is lost, and nothing is done twice."""

import fcntl
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import optuna
import pytest
import torch
from few_images import with_few_images
from model_folders import read_lines
from processes import (
    KILLS,
    assert_ends,
    assert_gone,
    assert_whole,
    descendants,
    started,
    wait_for_ended,
    wait_until,
)
from tiny_search import command_in, trials

from formulanas.search.study.study import open_storage


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_and_resumed_nothing_is_lost_or_doubled(tmp_path: Path, how: signal.Signals, seed: int) -> None:
    """Whatever ends a search, every finished trial is still there after --resume, none twice, and its workers are gone."""
    chance = random.Random(seed)
    least = chance.randint(0, 4)
    run = command_in(tmp_path)
    settings = ("--trials", "5", "--workers", "2", "--set", "proxy.recipe.epochs=8", "--set", "confirm.top=1")
    with started(tmp_path, "search", "space.yaml", "--name", "killed", *settings) as process:
        wait_for_ended(tmp_path, "killed", least, process)
        time.sleep(chance.random())
        family = [process.pid, *descendants(process.pid)]
        os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
        assert_ends(process, tmp_path, 130 if how == signal.SIGINT else -signal.SIGKILL, 60)
        assert len(family) > 1
        assert_gone(family)
    before = {trial["number"]: trial for trial in trials(tmp_path, "killed")}
    assert len(before) >= least

    result = run("search", "space.yaml", "--name", "killed")
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    result = run("search", "space.yaml", "--resume", "--name", "killed")
    assert result.exit_code == 0, result.stderr
    after = {trial["number"]: trial for trial in trials(tmp_path, "killed")}
    assert {number: after[number] for number in before} == before
    assert_whole(tmp_path, "killed", 5)
    again = run("search", "--resume", "--name", "killed")  # of a finished run: its leaderboard, nothing trained
    assert again.exit_code == 0
    assert len(trials(tmp_path, "killed")) == len(after)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_dead_worker_is_replaced_and_its_trial_trained_again(tmp_path: Path, seed: int) -> None:
    """Kill -9 of a worker costs nothing but time: no trial is lost or failed."""
    run = command_in(tmp_path)
    metrics = tmp_path / "runs/w/trials/0000/metrics.jsonl"
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not (metrics.is_file() and metrics.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(seed * 0.1)  # any moment of the trials to come
        killed.append(multiprocessing.active_children()[-1].pid or 0)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    settings = ("--trials", "3", "--workers", "1", "--set", "proxy.recipe.epochs=6", "--set", "confirm.top=1")
    result = run("search", "space.yaml", "--name", "w", *settings)
    killer.join()
    assert killed
    assert result.exit_code == 0, result.stderr
    assert seed > 0 or "it is trained again" in result.stderr
    assert_whole(tmp_path, "w", 3)
    assert {trial["state"] for trial in trials(tmp_path, "w") if trial["seconds"] is not None} == {"COMPLETE"}


def test_a_killed_retraining_ends_in_the_same_weights(tmp_path: Path, few_images: Path) -> None:
    """Kill -9 in the middle of a retraining, then --resume: bit for bit the weights of the uninterrupted one."""
    run = command_in(tmp_path)
    (tmp_path / "small.yaml").write_text("epochs: 3\nbatch_size: 40\n")
    command = ["retrain", "resnet-s", "--backbone", "cifar-resnet-8", "--recipe", "small.yaml"]
    command += ["--checkpoint-minutes", "0"]
    whole = run(*command)
    assert whole.exit_code == 0, whole.stderr
    (folder,) = (tmp_path / "runs/retrained").iterdir()
    weights = torch.load(folder / "weights.pt", weights_only=True)
    folder.rename(tmp_path / "whole")
    with started(tmp_path, *command, program=with_few_images(few_images)) as process:
        wait_until((folder / "metrics.jsonl").is_file, process, tmp_path)
        process.kill()
        assert_ends(process, tmp_path, -signal.SIGKILL)
    assert not (folder / "result.json").exists()
    resumed = run(*command, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "resumed   at step" in resumed.stderr
    again = torch.load(folder / "weights.pt", weights_only=True)
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    first, second = (read_lines(path / "metrics.jsonl") for path in (tmp_path / "whole", folder))
    assert len(first) == 3
    assert [(line["epoch"], line["train_loss"]) for line in first] == [
        (line["epoch"], line["train_loss"]) for line in second
    ]


def test_one_driver_a_run(finished_run: Path) -> None:
    """A second driver of the same run is refused while the first holds it."""
    with (finished_run / "runs/first/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = command_in(finished_run)("search", "--resume", "--name", "first")
    assert result.exit_code == 2
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
