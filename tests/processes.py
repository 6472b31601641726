"""Searches as processes of their own, for tests that interrupt and kill them or their workers.

FORMULANAS_KILLS=20 repeats each test that kills at a random moment 20 times.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tiny_search import commands_in, leaderboard, trials

KILLS = int(os.environ.get("FORMULANAS_KILLS", "1"))  # how often each test that kills at a random moment runs

# Ray gives its workers a low priority, with which other tests beside these starve them
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}


@contextmanager
def started(folder: Path, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A search in `folder` as a process; killed at the end if it still runs."""
    commands_in(folder)
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "formulanas", "search", *arguments],
            cwd=folder,
            env={**QUIET, **environment},
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def descendants(process: "subprocess.Popen[str]") -> dict[int, str]:
    """The processes that a process started, and those started, by id: their titles."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    found: dict[int, str] = {}
    family = {process.pid}
    while new := {int(pid): title for pid, parent, title in rows if int(parent) in family and int(pid) not in found}:
        found |= new
        family = set(new)
    return found


def wait_for_ended(folder: Path, name: str, count: int, process: "subprocess.Popen[str]", seconds: float = 150) -> None:
    """Waits until there is a study, and `count` trials of it have ended."""
    deadline = time.monotonic() + seconds
    while (
        not (folder / "runs" / name / "study.journal").is_file()
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    while len(trials(folder, name)) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(trials(folder, name)) >= count, (folder / "errors").read_text()


def assert_ends(process: "subprocess.Popen[str]", folder: Path, code: int, seconds: float = 600) -> None:
    """A search ends by itself, with an exit code."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    assert process.poll() == code, (folder / "errors").read_text()


def assert_whole(folder: Path, name: str, count: int) -> None:
    """The run has a leaderboard, `count` trained trials with distinct keys, and none that is under way."""
    assert leaderboard(folder, name)["rows"]
    found = trials(folder, name)
    assert [trial["number"] for trial in found] == list(range(len(found)))
    trained = [trial["key"] for trial in found if trial["seconds"] is not None and trial["duplicate_of"] is None]
    assert len(trained) == len(set(trained)) == count
    assert {trial["state"] for trial in found} <= {"COMPLETE", "PRUNED"}
