"""The main job: from a search space file to a leaderboard, on disk from the first moment, resumable at any."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from formulanas.errors import InputError
from formulanas.formula.published import published_names
from formulanas.progress import Progress
from formulanas.records import write_record
from formulanas.search.audit import Outcome, audit
from formulanas.search.confirmation import Confirmations, choose, confirmation_recipe
from formulanas.search.driver import Driver
from formulanas.search.executors.choice import Workers, open_executor
from formulanas.search.executors.task import Executor
from formulanas.search.log import SearchLog
from formulanas.search.run import RunSettings, create_run, resume_run, with_trials
from formulanas.search.samplers.catalogue import make_sampler
from formulanas.search.space.document import read_space
from formulanas.search.space.settings import ConfirmSettings, SearchSettings
from formulanas.search.study.study import Study, open_study
from formulanas.seeds import derive_seed
from formulanas.statistics.leaderboard import rank, verdict
from formulanas.statistics.outcome import Leaderboard
from formulanas.store.runs import LEADERBOARD_FILE, Run, locked
from formulanas.store.trials import read_confirmations, write_trial


@dataclass(frozen=True)
class SearchOptions:
    """What a search may be asked for beside its space file.

    The run is kept in runs/NAME; a fixed `seed` with one worker gives the same leaderboard again. `overrides` are
    settings of the space file, such as {"search.trials": "50"}. `resume` goes on with a run, which keeps its settings
    but for the number of trials and the workers.
    """

    name: str | None = None  # that of the space file and a number
    trials: int | None = None  # as the space file says
    seed: int = 0
    dataset: str | None = None
    data_dir: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise InputError(f"1 <= trials must hold, but got {self.trials}")
        if self.resume and (self.overrides or self.dataset or self.data_dir):
            raise InputError("a resumed run keeps its settings (study.yaml); only --trials and its executor can be new")


def search(
    space: str | Path | None = None, options: SearchOptions | None = None, progress: Progress | None = None
) -> Leaderboard:
    """Searches the space file `space`, or goes on with a run of it, and returns the leaderboard.

    What goes on is said by `progress`, by default in plain lines on standard error.

    Raises InputError for mistakes in the space file or the options, KeyboardInterrupt on Ctrl-C (resumable).
    """
    options = options or SearchOptions()
    path = Path(space) if space is not None else None
    if options.resume:
        run, settings = resume_run(options.name, path)
    elif path is None:
        raise InputError("a search needs a space file, such as search_spaces/recursion.yaml")
    else:
        changes = {**options.overrides, **({"proxy.dataset": options.dataset} if options.dataset else {})}
        document = read_space(path, changes)
        run, settings = create_run(path, document, options.name, options.trials, options.seed, options.data_dir)
    with locked(run.folder):
        return _carry_out(run, with_trials(run, settings, options.trials), options.workers, progress or Progress())


def _carry_out(run: Run, settings: RunSettings, workers: Workers, progress: Progress) -> Leaderboard:
    """Searches, confirms, and judges; what is done already is not done again."""
    proxy, asked, confirm = settings.proxy, settings.space.search, settings.space.confirm
    study = prepare_study(run, settings)
    confirm_epochs = confirmation_recipe(proxy, confirm).epochs
    epochs = max(settings.trials - study.num_trained, 0) * proxy.recipe.epochs
    epochs += (confirm.top + confirm.points + confirm.audit) * confirm.seeds * confirm_epochs
    SearchLog(settings, progress).begin(run, study, confirm_epochs)
    with open_executor(workers, proxy, run.name) as executor:
        progress.line(f"device    {executor.place}")
        with progress.working(epochs):
            _try_candidates(run, settings, asked, study, executor, progress)
            outcome = _confirm(run, settings, confirm, study, executor, progress)
            arm = _random_arm(run, settings, executor, progress) if confirm.random_arm else None
            progress.status("auditing")
            judged = audit(settings, outcome, arm)
    board = Leaderboard(
        run=run.name,
        proxy_recipe=proxy.recipe.digest,
        trials=study.counts(),
        best=outcome.contenders[0],
        verdict=verdict(outcome.contenders, outcome.confirmations),
        audit=judged,
        rows=outcome.contenders,
    )
    write_record(run.folder / LEADERBOARD_FILE, board)
    return board


def prepare_study(run: Run, settings: RunSettings) -> Study:
    """The study of a run with the named points in its queue, and the documents of its trials as they are in it."""
    study = open_study(run.folder, settings.space.search.objectives)
    study.enqueue(settings.space.points)
    for trial in study.records():
        write_trial(run, trial)
    return study


def _try_candidates(
    run: Run, settings: RunSettings, asked: SearchSettings, study: Study, executor: Executor, progress: Progress
) -> None:
    """Tries candidates until the study has as many trained trials as asked for."""
    sampler = make_sampler(asked.sampler, run.folder, settings.space.space, settings.proxy, settings.seed)
    executor.run(Driver(run, settings, asked, study, sampler, progress))


def _confirm(
    run: Run, settings: RunSettings, confirm: ConfirmSettings, study: Study, executor: Executor, progress: Progress
) -> Outcome:
    """Confirms the best candidates of a study, and ranks them all."""
    trials, proxy = study.records(), settings.proxy
    todo = choose(trials, confirm, proxy.backbone)
    recipe = confirmation_recipe(proxy, confirm)
    confirmations = Confirmations(run, settings.seed, recipe, todo, progress)
    progress.expect(progress.done + len(confirmations.waiting) * recipe.epochs)
    if confirmations.waiting:
        progress.line(f"confirming {len(todo)} trainings of {recipe.epochs} epochs, each with a fresh seed and split")
    executor.run(confirmations)
    confirmed = read_confirmations(run)
    contenders = rank(trials, confirmed, published_names(), study.objectives[1:] or ("params",))
    if not contenders or contenders[0].beyond:
        kept = " that keeps the limits" if contenders else ""
        raise InputError(f"no trial of {run.name}{kept} completed; see the reasons in {run.folder}/trials/*/trial.json")
    return Outcome(trials, confirmed, contenders)


def _random_arm(run: Run, settings: RunSettings, executor: Executor, progress: Progress) -> Outcome:
    """A random search of as many trials and its confirmation, with a study of its own in the run's folder."""
    progress.line(f"the random arm: {settings.trials} trials by random search, for comparison")
    arm = Run(run.folder / "random-arm")
    arm.folder.mkdir(exist_ok=True)
    study = prepare_study(arm, settings)
    reseeded = replace(settings, seed=derive_seed(settings.seed, "random-arm"))
    asked = replace(settings.space.search, sampler="random", rank_by=None)
    _try_candidates(arm, reseeded, asked, study, executor, progress)
    return _confirm(arm, settings, replace(settings.space.confirm, points=0), study, executor, progress)
