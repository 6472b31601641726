"""The folders of runs: their names and documents, and the lock that keeps a folder to one writer."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError, unknown_name
from formulanas.records import from_mapping, read_json, read_yaml, to_plain

RUNS_DIR = Path("runs")
STUDY_FILE, LEADERBOARD_FILE = "study.yaml", "leaderboard.json"


@dataclass(frozen=True)
class Run:
    """The folder of one search."""

    folder: Path

    @property
    def name(self) -> str:
        """The name by which commands refer to it."""
        return self.folder.name

    @property
    def is_finished(self) -> bool:
        """Whether its search ended with a leaderboard."""
        return (self.folder / LEADERBOARD_FILE).is_file()

    def settings(self) -> dict[str, Any]:
        """What study.yaml keeps: every setting resolved."""
        return read_yaml(self.folder / STUDY_FILE)

    def leaderboard(self) -> dict[str, Any]:
        """The leaderboard document of a finished search."""
        if not self.is_finished:
            raise InputError(f"the run {self.name} has no leaderboard yet; finish it by `formulanas search --resume`")
        return read_json(self.folder / LEADERBOARD_FILE)


def runs() -> list[Run]:
    """All runs, the latest first."""
    found = [Run(path.parent) for path in RUNS_DIR.glob(f"*/{STUDY_FILE}")]
    return sorted(found, key=lambda run: (run.folder / STUDY_FILE).stat().st_mtime_ns, reverse=True)


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a text that can be no name, such as a long formula, is none."""
    try:
        return path.exists()
    except OSError:
        return False


def find_run(name: str) -> Run:
    """The run `name`."""
    run = Run(RUNS_DIR / name)
    if not is_there(run.folder / STUDY_FILE):
        raise InputError(unknown_name("run", name, [run.name for run in runs()] or ["none so far"]))
    return run


def latest_finished() -> Run:
    """The run whose search finished last."""
    finished = [run for run in runs() if run.is_finished]
    if not finished:
        raise InputError("no search has finished yet; start one by `formulanas search search_spaces/recursion.yaml`")
    return max(finished, key=lambda run: (run.folder / LEADERBOARD_FILE).stat().st_mtime_ns)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for one writer; the lock ends with its process. Raises InputError where another holds it."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is working in {folder}; wait for it or stop it") from None
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process is working in the folder now."""
    try:
        with locked(folder):
            return False
    except InputError:
        return True


def with_changes(backbone: Backbone, changes: Mapping[str, Any] | None) -> Backbone:
    """`backbone` with the settings that a trial changed: its blocks, and the widths of its budget."""
    return from_mapping(Backbone, {**to_plain(backbone), **changes}, "backbone") if changes else backbone
