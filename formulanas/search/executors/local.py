"""The local executor: long-lived worker processes, tasks to the idle ones, the dead replaced."""

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

import torch

from formulanas.progress import Progress
from formulanas.search.executors.work import Message, Task, Work
from formulanas.search.executors.worker import READY, work
from formulanas.search.space.proxy import Proxy

POLL_SECONDS = 0.2


@dataclass
class _Member:
    process: BaseProcess
    connection: Connection
    device: str
    ready: bool = False
    number: int | None = None  # of the task under way


class WorkerPool:
    """`num_workers` processes, each training one task at a time."""

    def __init__(self, proxy: Proxy, num_workers: int, num_threads: int = 1) -> None:
        self.proxy, self.num_workers, self.num_threads = proxy, num_workers, num_threads
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["formulanas.search.executors.worker"])
        gpus = torch.cuda.device_count() if proxy.device == "cuda" else 0
        devices = [f"cuda:{i % gpus}" if gpus else "cpu" for i in range(num_workers)]
        self.members: list[_Member] = [self.start(device) for device in devices]

    def start(self, device: str) -> _Member:
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.proxy, device, self.num_threads)
        process = self.context.Process(target=work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Member(process, ours, device)

    def run(self, work: Work, progress: Progress) -> None:
        """Does all of `work`."""
        while True:
            while (idle := next((each for each in self.members if each.number is None), None)) is not None:
                job = work.next(progress)
                if job is None:
                    break
                self.submit(idle, *job)
            if all(each.number is None for each in self.members):
                return
            for member, number, message in self.messages():
                go_on = work.handle(progress, number, message)
                if message.kind == "epoch":
                    with suppress(OSError):  # it died since; `messages` finds out and says so
                        member.connection.send(go_on)

    def submit(self, member: _Member, number: int, task: Task) -> None:
        member.number = number
        with suppress(OSError):  # as above
            member.connection.send(task)

    def messages(self) -> Iterator[tuple[_Member, int, Message]]:
        """What is said of tasks under way, after POLL_SECONDS at most; a task whose worker died says `died`."""
        for connection in wait([member.connection for member in self.members], POLL_SECONDS):
            place = next(i for i, member in enumerate(self.members) if member.connection is connection)
            member = self.members[place]
            try:
                message = member.connection.recv()
            except (EOFError, OSError):
                member.process.join(5)
                message = Message("died", reason=f"the worker process ended with code {member.process.exitcode}")
                if not member.ready:
                    raise RuntimeError(f"a worker could not start: {message.reason}") from None
                self.members[place] = self.start(member.device)
            if message == READY:
                member.ready = True
                continue
            number = member.number
            if message.kind != "epoch":
                member.number = None
            if number is not None:
                yield member, number, message

    def close(self) -> None:
        """Ends all workers at once."""
        for member in self.members:
            member.process.kill()
        for member in self.members:
            member.process.join()
            member.connection.close()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
