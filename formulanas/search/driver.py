"""The driver of a search: asks the study, screens, gives out trainings, and tells; the study holds all it knows."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import optuna
from optuna.trial import Trial, TrialState

from formulanas.errors import InputError
from formulanas.formula.published import published_names
from formulanas.progress import Progress, Styled
from formulanas.search.executors.work import MAX_RETRIES, Message, Task
from formulanas.search.sampling import Guess, make_sampler
from formulanas.search.screening import costs
from formulanas.search.screening.candidate import backbone_changes, candidate
from formulanas.search.screening.screen import figures, reason_to_reject
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.space import SpaceDocument, build_space
from formulanas.search.study.proposer import Proposer
from formulanas.search.study.study import enqueue_points, finish, open_study, record, report_epoch, suggest, write_trial
from formulanas.seeds import derive_seed
from formulanas.store.runs import Run

MAX_REJECTED = 200  # proposals in a row that are known or screened out, before a space counts as exhausted


@dataclass
class _Running:
    """A trial under way. `reported` is the last epoch that the study knows."""

    trial: Trial
    key: str
    task: Task
    point: str | None
    reported: int
    retries: int = 0
    seconds: float = 0.0
    stopped: bool = False
    value: float | None = None
    duplicates: list[Trial] = field(default_factory=list)


class Search:
    """One search over the life of one process; everything that must survive it is in the study."""

    def __init__(self, run: Run, document: SpaceDocument, proxy: Proxy, seed: int, num_trials: int) -> None:
        self.run, self.document, self.proxy, self.seed = run, document, proxy, seed
        self.space = build_space(document)
        self.num_trials = num_trials
        self.study = open_study(run, document)
        self.proposer = Proposer(self.study, self.space, make_sampler(run, document, self.space, proxy, seed), seed)
        self.names = published_names() | {self.space.key(v): name for name, v in self.space.points.items()}
        self.running: dict[int, _Running] = {}
        self.again: list[int] = []  # of these, the ones whose worker died
        self.results: dict[str, optuna.trial.FrozenTrial] = {}  # by key: what need never be trained again
        self.guess = Guess(proxy)
        self.num_trained = 0
        self.rejected_in_a_row = 0
        self.adopted: list[tuple[Trial, int]] = []
        for trial in self.study.trials:
            if trial.state == TrialState.RUNNING:  # left by a driver that died; the lock says that nobody has it
                self.adopted.append((Trial(self.study, trial._trial_id), trial.last_step or 0))
            elif trial.state.is_finished():
                write_trial(run, trial)
                self.remember(trial)
        enqueue_points(self.study, self.space)

    @property
    def is_complete(self) -> bool:
        """Whether no further trial is to be trained."""
        return self.num_trained >= self.num_trials

    @property
    def best(self) -> optuna.trial.FrozenTrial | None:
        """The best completed trial so far that keeps the limits."""
        done = [
            trial
            for trial in self.results.values()
            if trial.state == TrialState.COMPLETE and "beyond" not in trial.user_attrs
        ]
        return max(done, key=lambda trial: (trial.values[0], -trial.number), default=None)

    def remember(self, trial: optuna.trial.FrozenTrial) -> None:
        """Takes note of an ended trial."""
        facts = trial.user_attrs
        if "key" not in facts or "duplicate_of" in facts:
            return
        self.results[facts["key"]] = trial
        self.num_trained += not facts.get("screened", False)

    def next(self, progress: Progress) -> tuple[int, Task] | None:
        """The next trial to train; None while there are enough, or where the space is exhausted."""
        if self.again:
            number = self.again.pop(0)
            return number, self.running[number].task
        while self.num_trained + len(self.running) < self.num_trials:
            trial, reported = self.adopted.pop(0) if self.adopted else (self.ask(), 0)
            if trial is None:
                if not self.running:
                    progress.line("the space has nothing new: all that could be proposed is known or rejected")
                return None
            running = self.prepare(trial, reported, progress)
            if running is None:
                self.rejected_in_a_row += 1
                continue
            self.running[trial.number] = running
            if self.document.search.rank_by and running.point is None and not reported:
                running = self.best_of(running, self.document.search.rank_by, progress)
            self.metrics_file(running.trial.number, [])
            return running.trial.number, running.task
        return None

    def best_of(self, first: _Running, predictor: str, progress: Progress) -> _Running:
        """Of `first` and further proposals, the one that `predictor` puts first; the others are told PRUNED."""
        rivals = [first]
        for _ in range(self.document.search.rank_of - 1):
            trial = self.ask()
            running = self.prepare(trial, 0, progress) if trial is not None else None
            if running is not None:
                self.running[running.trial.number] = running
                rivals.append(running)
        guesses = {each.trial.number: self.guess(predictor, each.task) for each in rivals}
        best = max(rivals, key=lambda each: guesses[each.trial.number])
        for each in rivals:
            if each is not best:
                del self.running[each.trial.number]
                record(each.trial, screened=True)
                reason = f"{predictor} puts trial {best.trial.number} first"
                self.remember(finish(self.run, self.study, each.trial, TrialState.PRUNED, None, reason))
        return best

    def ask(self) -> Trial | None:
        """The next proposal; None where there is nothing new, or too many in a row were rejected."""
        return self.proposer.ask() if self.rejected_in_a_row < MAX_REJECTED else None

    def prepare(self, trial: Trial, reported: int, progress: Progress) -> _Running | None:
        """The training that a proposal needs; None where it is known, under way or rejected, and told so."""
        point = trial.user_attrs.get("point")
        if trial.user_attrs.get("screened"):
            record(trial, screened=False)  # a kill came between that word and the end of the trial
        values = self.space.choose(lambda name, domain: suggest(trial, name, domain))
        try:
            recursion, key = self.space.bind(values), self.space.key(values)
            record(trial, key=key, formula=recursion.text)
            if self.share(trial, key):
                return None
            architecture = candidate(self.document, self.space, self.proxy, values)
            found = figures(architecture)
        except InputError as error:
            self.reject(trial, str(error))
            return None
        changes = backbone_changes(self.proxy.backbone, architecture.backbone)
        record(trial, figures={**asdict(found), "backbone": changes})  # one write: each costs a transaction
        limits = self.document.limits
        reason = reason_to_reject(found, limits)
        if reason and point:
            record(trial, beyond=reason)  # a baseline is trained all the same, but is no winner
        elif reason:
            self.reject(trial, reason)
            progress.line(Styled(f"trial {trial.number}  not trained: {reason}  {recursion.text}", "dim"))
            return None
        task = Task(
            name=f"trial {trial.number}  {key}  {recursion.text}",
            formula=recursion.text,
            backbone=architecture.backbone,
            recipe=self.proxy.recipe,
            seed=derive_seed(self.seed, "trial", trial.number),
            split_seed=derive_seed(self.seed, "split"),
            costs=tuple(dict.fromkeys((*self.document.search.objectives[1:], *limits.measured))),
            limits={} if point or reported else limits.measured,
        )
        return _Running(trial, key, task, point, reported)

    def reject(self, trial: Trial, reason: str) -> None:
        """Ends a proposal that is not trained."""
        record(trial, screened=True)
        self.remember(finish(self.run, self.study, trial, TrialState.PRUNED, None, reason))

    def share(self, trial: Trial, key: str) -> bool:
        """Whether the architecture was proposed before; the trial then has that result, as soon as there is one."""
        if key in self.results:
            self.copy(self.results[key], trial)
            return True
        for other in self.running.values():
            if other.key == key:
                record(trial, duplicate_of=other.trial.number)
                other.duplicates.append(trial)
                return True
        return False

    def copy(self, known: optuna.trial.FrozenTrial, trial: Trial) -> None:
        """Tells a proposal whose key is known the known result."""
        record(trial, duplicate_of=known.number)
        if "figures" in known.user_attrs:
            record(trial, figures=known.user_attrs["figures"])
        reason = f"the same architecture as trial {known.number}"
        values = known.values if known.state == TrialState.COMPLETE else None
        finish(self.run, self.study, trial, known.state, values, reason)

    def handle(self, progress: Progress, number: int, message: Message) -> bool:
        """Takes in what a worker says of a trial; whether to go on with it."""
        running = self.running[number]
        match message.kind:
            case "epoch":
                assert message.metrics is not None
                metrics = message.metrics
                self.rejected_in_a_row = 0
                go_on = True
                if metrics.epoch > running.reported:
                    running.reported = metrics.epoch
                    go_on = report_epoch(
                        running.trial, metrics, self.document.search.pruner, running.task.recipe.epochs
                    )
                if running.point is not None or metrics.epoch == running.task.recipe.epochs:
                    go_on = True  # a baseline is trained to its end, and an end is no stop
                running.value, running.stopped = metrics.validation_accuracy, not go_on
                if message.costs:
                    record(running.trial, **message.costs)
                    if reason := costs.exceeded(message.costs, self.document.limits.measured):
                        record(running.trial, beyond=reason)
                running.seconds += metrics.seconds
                self.metrics_file(number, [asdict(metrics)])
                progress.advance(1)
                return go_on
            case "done" if running.stopped:
                progress.advance(self.proxy.recipe.epochs - running.reported)
                reason = f"stopped after epoch {running.reported} by the {self.document.search.pruner} pruner"
                self.end(progress, running, TrialState.PRUNED, reason)
            case "done":
                self.end(progress, running, TrialState.COMPLETE, "")
            case "rejected":
                self.rejected_in_a_row += 1
                record(running.trial, screened=True, **message.costs)
                self.end(progress, running, TrialState.PRUNED, message.reason)
            case "died" if running.retries < MAX_RETRIES:
                running.retries += 1
                running.seconds, running.stopped = 0.0, False
                if running.reported:  # it was measured, and what is measured again may be a little more
                    running.task = replace(running.task, limits={})
                progress.line(f"trial {number}: {message.reason}; it is trained again")
                self.metrics_file(number, [])
                self.again.append(number)
            case _:
                if message.details:
                    (self.run.trial_file(number).parent / "error.txt").write_text(message.details)
                self.end(progress, running, TrialState.FAIL, message.reason)
        return False

    def end(self, progress: Progress, running: _Running, state: TrialState, reason: str) -> None:
        """Tells the study how a trial ended, and those that wait for the same result."""
        record(running.trial, seconds=round(running.seconds, 2))
        values = self.objectives(running) if state == TrialState.COMPLETE else None
        ended = finish(self.run, self.study, running.trial, state, values, reason)
        del self.running[running.trial.number]
        self.remember(ended)
        for trial in running.duplicates:
            self.copy(ended, trial)
        self.report(progress, running, state, reason)

    def objectives(self, running: _Running) -> list[float]:
        """The values of a trained trial: its accuracy, then its costs."""
        attributes = running.trial.user_attrs
        facts = {**attributes["figures"], **attributes}
        return [running.value or 0.0, *(facts[name] for name in self.document.search.objectives[1:])]

    def report(self, progress: Progress, running: _Running, state: TrialState, reason: str) -> None:
        best = self.best
        value = "" if running.value is None else f"{100 * running.value:5.1f} %"
        name = self.names.get(running.key)
        count = f"trial {running.trial.number:<3} {self.num_trained:>3}/{self.num_trials}"
        progress.line(
            f"{count}  {value}  {running.seconds:4.0f} s  ",
            Styled(f"{name}  " if name else "", "name"),
            running.task.formula,
            Styled("" if state == TrialState.COMPLETE else f"  {reason}", "warning"),
            progress.left,
        )
        if best is not None:
            text = self.names.get(best.user_attrs["key"]) or best.user_attrs["formula"]
            count = f"{self.num_trained}/{self.num_trials} trials"
            progress.status(f"{count}, best {100 * best.values[0]:.1f} %  {text}")

    def metrics_file(self, number: int, lines: list[dict[str, Any]]) -> None:
        """Appends to the metrics of a trial; an empty list begins them anew."""
        path = self.run.trial_file(number).with_name("metrics.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if lines else "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def trial_documents(self) -> Iterator[dict[str, Any]]:
        """The documents of all ended trials, in their order."""
        for path in sorted(self.run.folder.glob("trials/*/trial.json")):
            yield json.loads(path.read_text())
