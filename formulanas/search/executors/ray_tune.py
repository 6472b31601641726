"""The Ray executor: Ray Tune's loop around the same search, its searcher asking and telling our study.

Tune's own retries and restoring stay unused: with actors that live on between trials, the death of one is charged to
whichever trial comes next. Here every end goes to the search, which gives a trial again that had begun.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from formulanas.cluster import connect

# Tune reads these as it is imported: Ctrl-C is ours; our study replaces its logs and snapshots
os.environ |= {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from formulanas.errors import InputError
from formulanas.search.executors.task import Message, Task, TaskSource
from formulanas.search.executors.worker import Worker
from formulanas.search.space.proxy import Proxy, default_workers

MAX_STARTS = 3  # of workers in a row that end before they begin a training
MAX_FAULTS = 3  # of Tune's own loop in a row, before any training ends


class TrialWorker(tune.Trainable):
    """A worker as an actor; each of its steps is an epoch of a trial, and its log tells of them all."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """What a worker needs of its node; `gpus` may be a fraction."""
        return tune.PlacementGroupFactory([{"CPU": 1.0, "GPU": config["gpus"]}])

    def __repr__(self) -> str:
        return f"formulanas {self.config['run']}"

    def setup(self, config: dict[str, Any]) -> None:
        proxy: Proxy = config["proxy"]
        self.worker = Worker(proxy, proxy.device, num_threads=1)
        self.gauges = {
            name: Gauge(f"formulanas_{name}", text, tag_keys=("run", "trial"))
            for name, text in (
                ("validation_accuracy", "accuracy on the held-out images after the last epoch"),
                ("train_loss", "mean training loss of the last epoch"),
                ("seconds", "time of the last epoch"),
            )
        }
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        task: Task = config["task"]
        _log(f"{task.name}  begun")
        self.tags = {"run": config["run"], "trial": task.name}
        self.messages = self.worker.train(task)
        return True

    def step(self) -> dict[str, Any]:
        message = next(self.messages)
        text = f"{message.kind}  {message.reason}{message.details}"
        if (last := message.metrics) is not None:
            text = f"epoch {last.epoch}: loss {last.train_loss:.4f}, validation {last.validation_accuracy:.4f}"
            for name, gauge in self.gauges.items():
                gauge.set(getattr(last, name), self.tags)
        _log(f"{self.tags['trial']}  {text}")
        return {"message": message, "done": message.kind != "epoch"}


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # the dashboard shows this file first


class _DriverError(BaseException):
    """An error of the search itself on its way out of Tune, which takes every Exception for one of the trial."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _DriverError(error) from error


class _Assignments:
    """Where Tune's searcher, scheduler and callback meet: who has which task, by Tune's name of the trial."""

    def __init__(self, source: TaskSource) -> None:
        self.source = source
        self.tasks: dict[str, Task] = {}
        self.again: list[Task] = []  # never begun: not to be held against them
        self.begun: dict[str, Any] = {}  # the handles of the actors
        self.errors: dict[str, list[str]] = {}  # the lines of what Ray says of a loss
        self.false_starts = 0
        self.num_ended = 0

    def next(self, name: str) -> Task | None:
        task = self.again.pop(0) if self.again else self.source.next()
        if task is not None:
            self.tasks[name] = task
        return task

    def begin(self, name: str, actor: Any) -> None:
        self.false_starts = 0
        self.begun[name] = actor
        actor.train = actor.train.options(name=self.tasks[name].name)  # what the dashboard shows for its epochs

    def say(self, name: str, message: Message) -> bool:
        return self.source.handle(self.tasks[name].number, message)

    def end(self, name: str, message: Message | None) -> None:
        """Ends a training, with what it said last; None where its worker is gone."""
        actor, error = self.begun.pop(name, None), self.errors.pop(name, ["the reason is in the logs of Ray"])
        if actor is not None:
            del actor.train  # it refers to its actor, which must not outlive its last use
            self.say(name, message or Message("died", reason=f"the worker was lost: {error[0].rstrip('.')}"))
            self.num_ended += 1
        else:
            self.again.append(self.tasks[name])
            self.false_starts += 1
            if self.false_starts == MAX_STARTS:
                raise InputError(f"no worker can start: {error[-1]}")
        del self.tasks[name]

    def take_back(self, reason: str) -> None:
        """Everything in hand is to be given again."""
        self.again += [task for name, task in self.tasks.items() if name not in self.begun]
        for name in self.begun:
            self.say(name, Message("died", reason=reason))
        self.tasks, self.begun, self.errors = {}, {}, {}


class _Assigned:
    def __init__(self, assignments: _Assignments) -> None:
        super().__init__()
        self.assignments = assignments

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune keeps what it may restore; nothing is restored from there


class _Proposals(_Assigned, Searcher):
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        with _ours():
            task = self.assignments.next(trial_id)
        if task is None:
            return None if self.assignments.tasks else Searcher.FINISHED
        return {"task": task}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        message: Message | None = None if error or result is None else result["message"]
        with _ours():
            self.assignments.end(trial_id, Message("done") if message and message.kind == "epoch" else message)

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("the study on disk is what a search goes on from; Ray Tune's own state is never restored")


class _Decisions(_Assigned, FIFOScheduler):
    def on_trial_result(self, controller: object, trial: Trial, result: dict[str, Any]) -> str:
        with _ours():
            go_on = self.assignments.say(trial.trial_id, result["message"])
        return FIFOScheduler.CONTINUE if go_on else FIFOScheduler.STOP

    def on_trial_error(self, controller: object, trial: Trial) -> None:
        lines = Path(trial.error_file).read_text().splitlines()[1:]  # the first is a date
        self.assignments.errors[trial.trial_id] = [line for line in lines if line.strip()]


class _Beginnings(_Assigned, tune.Callback):
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        self.assignments.begin(trial.trial_id, trial.temporary_state.ray_actor)


class RayExecutor:
    """Does tasks through Ray Tune, on the cluster at `address` or on this machine; `gpus` is for each trial.

    Without `workers`, as many trials run side by side as the cluster has room for. `place` says where that is.
    """

    trainable: type[TrialWorker] = TrialWorker

    def __init__(self, proxy: Proxy, run: str, workers: int | None, address: str | None, gpus: float) -> None:
        self.proxy = replace(proxy, data_dir=str(Path(proxy.data_dir).absolute()))
        self.name, self.workers, self.address, self.gpus = run, workers, address, gpus

    def connect(self) -> None:
        """Connects this process to the cluster. Raises InputError where there is none, or it has no room."""
        fit = int(default_workers() / self.gpus) if self.gpus else default_workers()
        place = connect(self.address, self.workers or fit)
        room = ray.cluster_resources()  # type: ignore[no-untyped-call]
        fit = int(min(room.get("CPU", 0), room.get("GPU", 0) / self.gpus if self.gpus else room.get("CPU", 0)))
        if fit < 1:
            raise InputError(f"a trial needs 1 CPU and {self.gpus:g} GPUs, but the Ray cluster has {room} (--gpus)")
        self.num_workers = self.workers or fit
        self.place = f"{self.proxy.device}, {self.num_workers} worker(s) of Ray {place}"

    def run(self, source: TaskSource) -> None:
        """Does all tasks of a source."""
        assignments = _Assignments(source)
        faults = 0
        while True:
            ended = assignments.num_ended
            try:
                self.tune(assignments)
                return
            except _DriverError as error:
                raise error.cause from None
            except Exception as error:  # Tune's own books no longer agree: a new one, and what it had in hand again
                faults = 1 if assignments.num_ended > ended else faults + 1
                if faults == MAX_FAULTS:
                    raise
                ray.shutdown()  # with it goes what the old one had reserved
                self.connect()
                assignments.take_back(f"Ray Tune had a fault, {type(error).__name__}: {error}")

    def tune(self, assignments: _Assignments) -> None:
        with tempfile.TemporaryDirectory() as folder:
            tuner = tune.Tuner(
                self.trainable,
                param_space={"proxy": self.proxy, "run": self.name, "gpus": self.gpus},
                tune_config=tune.TuneConfig(
                    search_alg=_Proposals(assignments),
                    scheduler=_Decisions(assignments),
                    num_samples=-1,
                    max_concurrent_trials=self.num_workers,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name=self.name,
                    storage_path=folder,
                    callbacks=[_Beginnings(assignments)],
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    verbose=0,
                ),
            )
            tuner.fit()


@contextmanager
def ray_executor(
    proxy: Proxy, run: str, workers: int | None, address: str | None, gpus: float | None
) -> Iterator[RayExecutor]:
    """A Ray executor until the end of the block; without `gpus`, a trial has one where the proxy trains on GPUs."""
    with redirect_stdout(sys.stderr):  # Ray tells there what happens to its processes; stdout is the caller's
        executor = RayExecutor(proxy, run, workers, address, float(proxy.device == "cuda") if gpus is None else gpus)
        try:
            executor.connect()
            yield executor
        finally:
            ray.shutdown()
