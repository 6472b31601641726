"""The local executor: long-lived worker processes, tasks to the idle ones, the dead replaced."""

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from formulanas.search.executors.task import Message, Task, TaskSource
from formulanas.search.executors.worker import READY, serve
from formulanas.search.space.proxy import Proxy

POLL_SECONDS = 0.2


@dataclass
class _WorkerProcess:
    process: BaseProcess
    connection: Connection
    device: str
    ready: bool = False
    task: Task | None = None  # under way

    def send(self, what: Task | bool) -> None:
        with suppress(OSError):  # it died since; `messages` finds out and says so
            self.connection.send(what)


class WorkerPool:
    """Up to `num_workers` processes, each training one task at a time; they start with their first tasks."""

    def __init__(self, proxy: Proxy, num_workers: int, num_threads: int = 1) -> None:
        self.proxy, self.num_workers, self.num_threads = proxy, num_workers, num_threads
        self.place = f"{proxy.device}, {num_workers} worker(s)"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["formulanas.search.executors.worker"])
        self.workers: list[_WorkerProcess] = []

    def run(self, source: TaskSource) -> None:
        """Does all tasks of a source."""
        while True:
            while self._has_room() and (task := source.next()) is not None:
                worker = self._idle()
                worker.task = task
                worker.send(task)
            if not any(worker.task for worker in self.workers):
                return
            for worker, task, message in self._messages():
                go_on = source.handle(task.number, message)
                if message.kind == "epoch":
                    worker.send(go_on)

    def _has_room(self) -> bool:
        return len(self.workers) < self.num_workers or any(worker.task is None for worker in self.workers)

    def _idle(self) -> _WorkerProcess:
        for worker in self.workers:
            if worker.task is None:
                return worker
        gpus = torch.cuda.device_count() if self.proxy.device == "cuda" else 0
        self.workers.append(self._start(f"cuda:{len(self.workers) % gpus}" if gpus else "cpu"))
        return self.workers[-1]

    def _start(self, device: str) -> _WorkerProcess:
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.proxy, device, self.num_threads)
        process = self.context.Process(target=serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _WorkerProcess(process, ours, device)

    def _messages(self) -> Iterator[tuple[_WorkerProcess, Task, Message]]:
        """What is said of tasks under way, after POLL_SECONDS at most; a task whose worker died says `died`."""
        for connection in wait([worker.connection for worker in self.workers], POLL_SECONDS):
            place = next(i for i, worker in enumerate(self.workers) if worker.connection is connection)
            worker = self.workers[place]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                worker.process.join(5)
                message = Message("died", reason=f"the worker process ended with code {worker.process.exitcode}")
                if not worker.ready:
                    raise RuntimeError(f"a worker could not start: {message.reason}") from None
                self.workers[place] = self._start(worker.device)
            if message == READY:
                worker.ready = True
                continue
            task = worker.task
            if message.kind != "epoch":
                worker.task = None
            if task is not None:
                yield worker, task, message

    def close(self) -> None:
        """Ends all workers at once."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.join()
            worker.connection.close()
