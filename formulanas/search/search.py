"""The main job: from a search space file to a leaderboard, on disk from the first moment, resumable at any."""

import importlib.metadata
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from formulanas.errors import InputError, unknown_name
from formulanas.formula.published import published_names
from formulanas.progress import Progress, Styled
from formulanas.records import from_mapping, to_plain, write_json, write_yaml
from formulanas.search.audit import Outcome, audit
from formulanas.search.confirm import Confirmations, choose, confirmation_recipe, read_confirmations
from formulanas.search.driver import Search
from formulanas.search.executors.local import WorkerPool
from formulanas.search.executors.work import Executor
from formulanas.search.samplers.catalogue import check_sampler
from formulanas.search.space.proxy import Proxy, default_workers, resolve_proxy
from formulanas.search.space.settings import ConfirmSettings
from formulanas.search.space.space import SpaceDocument, read_space
from formulanas.search.study.pruners import find_pruner
from formulanas.search.study.study import count_states
from formulanas.seeds import derive_seed
from formulanas.statistics.audit import Audit
from formulanas.statistics.leaderboard import Contender, rank, verdict
from formulanas.store.runs import LEADERBOARD_FILE, RUNS_DIR, STUDY_FILE, Run, find_run, locked, runs

EXECUTORS = ("local", "ray")
RANDOM_ARM = "random-arm"
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Leaderboard:
    """The outcome of a search: its rows, best first, and how many trials ended in which state."""

    run: str
    rows: list[Contender]
    trials: dict[str, int]
    verdict: str  # what may be said of the winner
    audit: Audit

    @property
    def best(self) -> Contender:
        """The winner: the best mean of the confirmation."""
        return self.rows[0]


@dataclass(frozen=True)
class Where:
    """Where trials are trained: by which executor, how many side by side (None: as many as fit), with what each."""

    executor: str
    workers: int | None
    address: str | None
    gpus: float | None


def search(
    space: str | Path | None = None,
    *,
    name: str | None = None,
    trials: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    overrides: Mapping[str, str] | None = None,
    resume: bool = False,
    executor: str = "local",
    address: str | None = None,
    gpus: float | None = None,
    progress: Progress | None = None,
) -> Leaderboard:
    """Searches the space file `space` and returns the leaderboard; `resume` goes on with a run of the same space.

    The run is kept in runs/NAME. A fixed `seed` with one worker gives the same leaderboard again. Trials are trained by
    processes of this machine (`executor` "local") or by Ray Tune ("ray"), here or on the cluster at `address`, with
    `gpus` for each, which may be a fraction; a resumed run may change its executor. Raises InputError for mistakes in
    the space file or the settings, KeyboardInterrupt on Ctrl-C (resumable).
    """
    if workers is not None and workers < 1:
        raise InputError(f"1 <= workers must hold, but got {workers}")
    if executor not in EXECUTORS:
        raise InputError(unknown_name("executor", executor, EXECUTORS) + " (--executor)")
    if executor != "ray" and (address is not None or gpus is not None):
        raise InputError("--address and --gpus say how to use a Ray cluster; add --executor ray")
    if gpus is not None and not (0 < gpus <= 1 or gpus in range(1, 1025)):
        raise InputError(f"a trial has a part of a GPU, or a whole number of them, but got {gpus:g} (--gpus)")
    if trials is not None and trials < 1:
        raise InputError(f"1 <= trials must hold, but got {trials}")
    if resume:
        run = find_run(name) if name else _latest_of(space)
    else:
        if space is None:
            raise InputError("a search needs a space file, such as search_spaces/recursion.yaml")
        changes = dict(overrides or {}) | ({"proxy.dataset": dataset} if dataset else {})
        document = read_space(Path(space), changes)
        run = create_run(Path(space), document, name, trials, seed, Path(data_dir) if data_dir else None)
    with locked(run.folder):
        return _Job(run, trials, Where(executor, workers, address, gpus), progress or Progress()).execute()


def create_run(
    path: Path, document: SpaceDocument, name: str | None, trials: int | None, seed: int, data_dir: Path | None
) -> Run:
    """A new run folder, with every setting resolved in its study.yaml."""
    if name is None:
        numbers = [
            int(match[1]) for run in RUNS_DIR.glob("*") if (match := re.fullmatch(rf"{path.stem}-(\d+)", run.name))
        ]
        name = f"{path.stem}-{max(numbers, default=0) + 1}"
    if not RUN_NAME.fullmatch(name):
        raise InputError(f"a run's name has letters, digits, '.', '_' and '-', but got {name!r} (--name)")
    run = Run(RUNS_DIR / name)
    if run.folder.exists():
        raise InputError(f"the run {name} exists; go on with it by --resume --name {name}, or choose another --name")
    proxy = resolve_proxy(document.proxy, data_dir)
    check_sampler(document.search.sampler)
    find_pruner(document.search.pruner)
    settings = {
        "schema": 1,
        "space_file": str(path),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "trials": trials or document.search.trials,  # here at once: a kill may come before anything else
        "proxy": to_plain(proxy),
        "space": to_plain(document),
        "versions": _versions(),
    }
    run.folder.mkdir(parents=True)
    try:
        write_yaml(run.folder / STUDY_FILE, settings)
        Search(run, document, proxy, seed, document.search.trials)  # the study with its points, before any training
    except Exception:  # but not Ctrl-C, after which a run can be gone on with, whenever it came
        shutil.rmtree(run.folder)
        raise
    return run


def _latest_of(space: str | Path | None) -> Run:
    """The latest run, of one space file where it is given."""
    for run in runs():
        if space is None or Path(run.settings()["space_file"]).stem == Path(space).stem:
            return run
    raise InputError(f"there is no run of {space or 'any space'} to go on with")


def _versions() -> dict[str, str]:
    packages = ("formulanas", "torch", "optuna", "numpy")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "machine": f"{platform.machine()}, {sys.platform}",
    }


class _Job:
    def __init__(self, run: Run, trials: int | None, where: Where, progress: Progress) -> None:
        settings = run.settings()
        self.run, self.where, self.progress = run, where, progress
        self.say = progress.line
        self.document = from_mapping(SpaceDocument, settings["space"], f"{run.name}: space")
        self.proxy = from_mapping(Proxy, settings["proxy"], f"{run.name}: proxy")
        self.seed: int = settings["seed"]
        self.num_trials = trials or settings["trials"]
        if settings["trials"] != self.num_trials:
            write_yaml(run.folder / STUDY_FILE, settings | {"trials": self.num_trials})

    def execute(self) -> Leaderboard:
        search = Search(self.run, self.document, self.proxy, self.seed, self.num_trials)
        recipe = confirmation_recipe(self.proxy, self.document.confirm)
        settings = self.document.confirm
        confirmations = (settings.top + settings.points + settings.audit) * settings.seeds
        epochs = max(self.num_trials - search.num_trained, 0) * self.proxy.recipe.epochs
        self.introduce(search, recipe.epochs)
        with self.open_executor() as executor, self.progress.working(epochs + confirmations * recipe.epochs):
            found = self.carry_out(search, self.document.confirm, executor)
            arm = None
            if self.document.confirm.random_arm:
                self.say(f"the random arm: {self.num_trials} trials by random search, for comparison")
                arm = self.carry_out(self.random_arm(), replace(self.document.confirm, points=0), executor)
            self.progress.status("auditing")
            judged = audit(self.proxy, self.seed, found, arm)
        board = Leaderboard(
            self.run.name, found.rows, count_states(search.study), verdict(found.rows, found.confirmations), judged
        )
        self.conclude(board)
        return board

    def carry_out(self, search: Search, settings: ConfirmSettings, executor: Executor) -> Outcome:
        """Searches, confirms the best, and ranks; what is done already is not done again."""
        executor.run(search, self.progress)
        documents = list(search.trial_documents())
        recipe = confirmation_recipe(self.proxy, settings)
        todo = choose(documents, settings, self.proxy.backbone)
        missing = sum(not each.path(search.run).is_file() for each in todo)
        self.progress.expect(self.progress.done + missing * recipe.epochs)
        if missing:
            self.say(f"confirming {len(todo)} trainings of {recipe.epochs} epochs, each with a fresh seed and split")
        executor.run(Confirmations(search.run, self.seed, recipe, todo), self.progress)
        confirmed = read_confirmations(search.run)
        rows = rank(documents, confirmed, published_names(), self.document.search.objectives[1:] or ("params",))
        if not rows or rows[0].beyond:
            kept = " that keeps the limits" if rows else ""
            raise InputError(
                f"no trial of {search.run.name}{kept} completed; "
                f"see the reasons in {search.run.folder}/trials/*/trial.json"
            )
        return Outcome(documents, confirmed, rows)

    def random_arm(self) -> Search:
        """A random search of as many trials, with a study of its own in the run's folder."""
        run = Run(self.run.folder / RANDOM_ARM)
        run.folder.mkdir(exist_ok=True)
        document = replace(self.document, search=replace(self.document.search, sampler="random", rank_by=None))
        return Search(run, document, self.proxy, derive_seed(self.seed, RANDOM_ARM), self.num_trials)

    @contextmanager
    def open_executor(self) -> Iterator[Executor]:
        """What trains the trials, and the line that says what it is."""
        workers = self.where.workers
        match self.where.executor:
            case "ray":  # its import takes seconds
                from formulanas.search.executors.ray_tune import ray_executor

                with ray_executor(self.proxy, self.run.name, workers, self.where.address, self.where.gpus) as executor:
                    self.say(f"device    {self.proxy.device}, {executor.num_workers} worker(s) of Ray {executor.place}")
                    yield executor
            case _:
                with WorkerPool(self.proxy, workers or default_workers()) as pool:
                    self.say(f"device    {self.proxy.device}, {pool.num_workers} worker(s)")
                    yield pool

    def introduce(self, search: Search, confirm_epochs: int) -> None:
        proxy, say = self.proxy, self.say
        widths = "-".join(map(str, proxy.backbone.widths))
        say(Styled(self.run.name, "bold"), f"  in {self.run.folder}, seed {self.seed}")
        say(f"data      {proxy.dataset}: {proxy.reason}; {100 * proxy.held_out:.0f} % of the training images validate")
        say(
            f"proxy     {proxy.recipe.epochs} epochs, {sum(proxy.backbone.depths)} {proxy.backbone.transform} blocks "
            f"{widths} wide; the best are confirmed over {confirm_epochs} epochs"
        )
        settings = self.document.search
        say(f"search    {self.num_trials} trials by {settings.sampler}, {settings.pruner} pruner")
        say(f"first     the points {', '.join(search.space.points)}")
        if search.num_trained:
            say(f"resumed   {search.num_trained} trials are done, {len(search.adopted)} were under way")

    def conclude(self, board: Leaderboard) -> None:
        document = {
            "schema": 1,
            "run": board.run,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "proxy_recipe": self.proxy.recipe.digest,
            "trials": board.trials,
            "best": board.best.to_json(),
            "verdict": board.verdict,
            "audit": board.audit.to_json(),
            "rows": [row.to_json() for row in board.rows],
        }
        write_json(self.run.folder / LEADERBOARD_FILE, document)
