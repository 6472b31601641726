"""The driver of a search: asks the study for proposals, gives out trainings, and tells what came of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from formulanas.architecture.architecture import Architecture
from formulanas.errors import InputError
from formulanas.progress import Progress
from formulanas.search.executors.task import MAX_RETRIES, Message, Task
from formulanas.search.log import SearchLog
from formulanas.search.run import RunSettings
from formulanas.search.samplers.catalogue import OptunaSampler, Propose
from formulanas.search.screening.costs import exceeded
from formulanas.search.screening.ranking import Ranking
from formulanas.search.screening.screen import screen
from formulanas.search.space.settings import SearchSettings
from formulanas.search.study.proposer import Proposer
from formulanas.search.study.pruners import find_pruner
from formulanas.search.study.study import Study
from formulanas.search.study.trial import OpenTrial
from formulanas.seeds import derive_seed
from formulanas.store.runs import Run
from formulanas.store.trials import State, TrialRecord, write_error, write_metrics, write_trial

MAX_REJECTED = 200  # proposals in a row that are known or screened out, before a space counts as exhausted


@dataclass
class _Training:
    """A trial that is trained, its accuracy after the last epoch, and whether it was stopped there."""

    trial: OpenTrial
    architecture: Architecture
    task: Task
    accuracy: float | None = None
    stopped: bool = False
    seconds: float = 0.0
    retries: int = 0


class Driver:
    """A search over the life of one process, as tasks for an executor; what must survive it is in the study."""

    def __init__(
        self,
        run: Run,
        settings: RunSettings,
        search: SearchSettings,
        study: Study,
        sampler: Propose | OptunaSampler,
        progress: Progress,
    ) -> None:
        self.run, self.settings, self.search, self.study, self.progress = run, settings, search, study, progress
        self.log = SearchLog(settings, progress)
        self.space = settings.space.space
        self.proposer = Proposer(study, self.space, sampler, settings.seed)
        self.ranking = Ranking(search.rank_by, settings.proxy) if search.rank_by else None
        self.left = list(study.under_way.values())  # by a driver that died: the run's lock says that nobody has them
        self.trainings: dict[int, _Training] = {}
        self.again: list[int] = []  # of these, the ones whose worker died
        self.num_rejected = 0  # in a row

    def next(self) -> Task | None:
        """The next trial to train; None while there are enough, or where the space is exhausted."""
        if self.again:
            return self.begin(self.trainings[self.again.pop(0)])
        while self.study.num_trained + len(self.trainings) < self.settings.trials:
            trial = self.left.pop(0) if self.left else self.ask()
            if trial is None:
                if not self.trainings:
                    self.progress.line("the space has nothing new: all that could be proposed is known or rejected")
                return None
            training = self.prepare(trial)
            if training is None:
                self.num_rejected += 1
                continue
            if self.ranking and not (trial.point or trial.epochs or self.study.num_waiting):
                training = self.best_of(training, self.ranking)
            return self.begin(training)
        return None

    def begin(self, training: _Training) -> Task:
        """The task of a training, from now on under way."""
        self.trainings[training.task.number] = training
        write_metrics(self.run, training.task.number, [])
        return training.task

    def ask(self) -> OpenTrial | None:
        """The next proposal; None where there is nothing new, or too many in a row were rejected."""
        return self.proposer.ask() if self.num_rejected < MAX_REJECTED else None

    def prepare(self, trial: OpenTrial) -> _Training | None:
        """The training that a proposal needs; None where it is known, under way or rejected, and told so."""
        document, proxy = self.settings.space, self.settings.proxy
        values = trial.choose(self.space)
        try:
            text, key = self.space.bind(values).text, self.space.key(values)
            trial.keep(key=key, formula=text)
            if (known := self.study.known(trial)) is not None:
                self.note(self.study.repeat(known, trial))
                return None
            screened = screen(document, proxy, values)
        except InputError as error:
            self.reject(trial, str(error))
            return None
        trial.keep(figures={**asdict(screened.figures), "backbone": screened.changes})
        if screened.reason and trial.point:
            trial.keep(beyond=screened.reason)  # a baseline is trained all the same, but is no winner
        elif screened.reason:
            self.reject(trial, screened.reason)
            return None
        limits = document.limits.measured
        task = Task(
            number=trial.number,
            name=f"trial {trial.number}  {key}  {text}",
            formula=text,
            backbone=screened.architecture.backbone,
            recipe=proxy.recipe,
            seed=derive_seed(self.settings.seed, "trial", trial.number),
            split_seed=derive_seed(self.settings.seed, "split"),
            costs=tuple(dict.fromkeys((*self.search.objectives[1:], *limits))),
            limits={} if trial.point or trial.epochs else limits,
        )
        return _Training(trial, screened.architecture, task)

    def best_of(self, first: _Training, ranking: Ranking) -> _Training:
        """Of `first` and further proposals, the one that a predictor puts first; the others are told PRUNED."""
        rivals = [first]
        for _ in range(self.search.rank_of - 1):
            trial = self.ask()
            if trial is not None and (training := self.prepare(trial)) is not None:
                rivals.append(training)
        best = max(rivals, key=lambda rival: ranking(rival.architecture, rival.task.seed))
        for rival in rivals:
            if rival is not best:
                self.reject(rival.trial, f"{ranking.name} puts trial {best.task.number} first")
        return best

    def reject(self, trial: OpenTrial, reason: str) -> None:
        """Ends a proposal that is not trained."""
        self.note(self.study.end(trial, "PRUNED", reason))

    def handle(self, number: int, message: Message) -> bool:
        """Takes in what a worker says of a trial; whether to go on with it."""
        training = self.trainings[number]
        match message.kind:
            case "epoch":
                return self.go_on(training, message)
            case "done" if training.stopped:
                reason = f"stopped after epoch {len(training.trial.epochs)} by the {self.search.pruner} pruner"
                self.end(training, "PRUNED", reason)
            case "done":
                self.end(training, "COMPLETE")
            case "rejected":
                self.num_rejected += 1
                training.trial.keep_costs(message.costs)
                self.end(training, "PRUNED", message.reason)
            case "died" if training.retries < MAX_RETRIES:
                task = training.task
                if training.trial.epochs:  # it was measured, and what is measured again may be a little more
                    task = replace(task, limits={})
                self.trainings[number] = _Training(
                    training.trial, training.architecture, task, retries=training.retries + 1
                )
                self.again.append(number)
                self.progress.line(f"trial {number}: {message.reason}; it is trained again")
            case _:
                if message.details:
                    write_error(self.run, number, message.details)
                self.end(training, "FAIL", message.reason)
        return False

    def go_on(self, training: _Training, message: Message) -> bool:
        """Takes in an epoch; whether another is to follow."""
        trial, metrics, epochs = training.trial, message.metrics, training.task.recipe.epochs
        assert metrics is not None
        assert metrics.validation_accuracy is not None
        self.num_rejected = 0
        stop = False
        if metrics.epoch > len(trial.epochs):  # else it was reported before its driver or worker died
            trial.report(metrics.validation_accuracy)
            stop = find_pruner(self.search.pruner)(self.study.progress(trial, epochs))
        if message.costs:
            trial.keep_costs(message.costs)
            if reason := exceeded(message.costs, self.settings.space.limits.measured):
                trial.keep(beyond=reason)
        training.accuracy = metrics.validation_accuracy
        training.seconds += metrics.seconds
        training.stopped = stop and not trial.point and metrics.epoch < epochs  # a baseline is trained to its end
        write_metrics(self.run, trial.number, [asdict(metrics)])
        self.progress.advance(1)
        return not training.stopped

    def end(self, training: _Training, state: State, reason: str = "") -> None:
        """Tells how a training ended."""
        del self.trainings[training.task.number]
        training.trial.keep(seconds=round(training.seconds, 2))
        self.note(self.study.end(training.trial, state, reason, training.accuracy))

    def note(self, ended: Sequence[TrialRecord]) -> None:
        """Writes the documents of trials that have ended, and says how."""
        for trial in ended:
            write_trial(self.run, trial)
            self.log.trial(trial, self.study)
