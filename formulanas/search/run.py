"""The run of a search: its folder, with every setting resolved in study.yaml from the first moment."""

import importlib.metadata
import itertools
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from formulanas.errors import InputError
from formulanas.records import read_record, write_record
from formulanas.search.samplers.catalogue import check_sampler
from formulanas.search.screening.predictors import find_predictor
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import Proxy, resolve_proxy
from formulanas.search.study.pruners import find_pruner
from formulanas.store.runs import RUNS_DIR, STUDY_FILE, Run, find_run, runs

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PACKAGES = ("formulanas", "torch", "optuna", "numpy")


def _versions() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **versions, "machine": f"{platform.machine()}, {sys.platform}"}


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a search was asked to do: `trials` of a space by the proxy training, all chance from the seed."""

    SCHEMA: ClassVar[int] = 1

    space_file: str
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seed: int
    trials: int
    proxy: Proxy
    space: SpaceDocument
    versions: dict[str, str] = field(default_factory=_versions)


def create_run(
    path: Path, document: SpaceDocument, name: str | None, trials: int | None, seed: int, data_dir: Path | None
) -> tuple[Run, RunSettings]:
    """A new run of the space file `path`; without a `name`, that of the file and the next number that is free."""
    stem = name or path.stem
    if not NAME.fullmatch(stem):
        raise InputError(f"a run's name has letters, digits, '.', '_' and '-', but got {stem!r} (--name)")
    asked = document.search
    check_sampler(asked)
    find_pruner(asked.pruner)
    if asked.rank_by is not None:
        find_predictor(asked.rank_by)
    settings = RunSettings(
        space_file=str(path),
        seed=seed,
        trials=trials or asked.trials,
        proxy=resolve_proxy(document.proxy, data_dir),
        space=document,
    )
    RUNS_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUNS_DIR, prefix=".new-") as folder:  # whole, or not there at all
        write_record(Path(folder) / "run" / STUDY_FILE, settings)
        for free in [name] if name else _next_names(stem):
            run = Run(RUNS_DIR / free)
            try:
                (Path(folder) / "run").rename(run.folder)
                return run, settings
            except OSError:
                if not run.folder.exists():
                    raise
    raise InputError(f"the run {name} exists; go on with it by --resume --name {name}, or choose another --name")


def _next_names(stem: str) -> Iterator[str]:
    pattern = re.compile(rf"{re.escape(stem)}-(\d+)")
    taken = [int(match[1]) for folder in RUNS_DIR.glob("*") if (match := pattern.fullmatch(folder.name))]
    return (f"{stem}-{number}" for number in itertools.count(max(taken, default=0) + 1))


def resume_run(name: str | None, space: Path | None) -> tuple[Run, RunSettings]:
    """The run `name`, or the latest, of one space file where it is given."""
    for run in [find_run(name)] if name else runs():
        if name or space is None or Path(run.settings()["space_file"]).stem == space.stem:
            return run, read_record(RunSettings, run.folder / STUDY_FILE)
    raise InputError(f"there is no run of {space or 'any space'} to go on with")


def with_trials(run: Run, settings: RunSettings, trials: int | None) -> RunSettings:
    """The settings of a run that is asked for so many trials, on disk as well."""
    if trials in (None, settings.trials):
        return settings
    changed = replace(settings, trials=trials)
    write_record(run.folder / STUDY_FILE, changed)
    return changed
