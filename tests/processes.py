"""The command as a process of its own, for what is interrupted or killed, and for what other processes see of it.

FORMULANAS_KILLS=20 repeats each test that kills at a random moment 20 times.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tiny_search import leaderboard, trials

KILLS = int(os.environ.get("FORMULANAS_KILLS", "1"))  # how often each test that kills at a random moment runs

# Ray gives its workers a low priority, with which other tests beside these starve them
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}

Process = subprocess.Popen[str]


@contextmanager
def started(folder: Path, *arguments: str, program: str = "", **environment: str) -> Iterator[Process]:
    """The command, or a `program` that takes its arguments, in `folder`; killed at the end if it still runs.

    What it prints is in `output`, its errors are in `errors`.
    """
    command = [sys.executable, *(["-c", program] if program else ["-m", "formulanas"]), *arguments]
    with (folder / "output").open("w") as output, (folder / "errors").open("a") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**QUIET, **environment},
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def descendants(process: int) -> dict[int, str]:
    """The processes that a process started, and those started, by id: their titles."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    found: dict[int, str] = {}
    family = {process}
    while new := {int(pid): title for pid, parent, title in rows if int(parent) in family and int(pid) not in found}:
        found |= new
        family = set(new)
    return found


def wait_until(condition: Callable[[], object], process: Process, folder: Path, seconds: float = 150) -> None:
    """Waits until something is the case, while the process lives."""
    deadline = time.monotonic() + seconds
    while not (there := condition()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert there or condition(), (folder / "errors").read_text()


def wait_for_ended(folder: Path, name: str, count: int, process: Process) -> None:
    """Waits until there is a study, and `count` trials of it have ended."""
    study = folder / "runs" / name / "study.journal"
    wait_until(lambda: study.is_file() and len(trials(folder, name)) >= count, process, folder)


def assert_gone(processes: list[int], seconds: float = 30) -> None:
    """They end soon."""
    deadline = time.monotonic() + seconds
    while (alive := [each for each in processes if Path(f"/proc/{each}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive == []


def assert_ends(process: Process, folder: Path, code: int, seconds: float = 600) -> None:
    """A process ends by itself, with an exit code."""
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
