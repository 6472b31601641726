"""Long-lived worker processes: tasks go out to the idle ones, messages come back, the dead are replaced."""

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Generic, TypeVar

import torch

from formulanas.search.proxy import Proxy
from formulanas.search.worker import Message, Task, work

Tag = TypeVar("Tag")


@dataclass
class _Member(Generic[Tag]):
    process: BaseProcess
    connection: Connection
    device: str
    ready: bool = False
    tag: Tag | None = None


class WorkerPool(Generic[Tag]):
    """`num_workers` processes, each training one task at a time; a task is known by its `tag`."""

    def __init__(self, proxy: Proxy, num_workers: int, num_threads: int = 1) -> None:
        self.proxy, self.num_threads = proxy, num_threads
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["formulanas.search.worker"])
        gpus = torch.cuda.device_count() if proxy.device == "cuda" else 0
        devices = [f"cuda:{i % gpus}" if gpus else "cpu" for i in range(num_workers)]
        self.members: list[_Member[Tag]] = [self.start(device) for device in devices]

    def start(self, device: str) -> _Member[Tag]:
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.proxy, device, self.num_threads)
        process = self.context.Process(target=work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Member(process, ours, device)

    @property
    def num_idle(self) -> int:
        """How many more tasks can be submitted now."""
        return sum(member.tag is None for member in self.members)

    @property
    def num_busy(self) -> int:
        """How many tasks are under way."""
        return len(self.members) - self.num_idle

    def submit(self, tag: Tag, task: Task) -> None:
        """Gives `task` to an idle worker."""
        member = next(member for member in self.members if member.tag is None)
        member.tag = tag
        with suppress(OSError):  # it died while idle; `messages` finds out and says so
            member.connection.send(task)

    def answer(self, tag: Tag, go_on: bool) -> None:
        """Answers the `epoch` message of a task."""
        member = next(member for member in self.members if member.tag == tag)
        with suppress(OSError):
            member.connection.send(go_on)

    def messages(self, timeout: float) -> Iterator[tuple[Tag, Message]]:
        """The messages of tasks under way, after at most `timeout` seconds; a task whose worker died says `died`."""
        for connection in wait([member.connection for member in self.members], timeout):
            place = next(i for i, member in enumerate(self.members) if member.connection is connection)
            member = self.members[place]
            try:
                message: Message = member.connection.recv()
            except (EOFError, OSError):
                member.process.join(5)
                message = Message("died", reason=f"the worker process ended with code {member.process.exitcode}")
                if not member.ready:
                    raise RuntimeError(f"a worker could not start: {message.reason}") from None
                self.members[place] = self.start(member.device)
            if message.kind == "ready":
                member.ready = True
                continue
            tag = member.tag
            if message.kind in ("done", "failed"):
                member.tag = None
            if tag is not None:
                yield tag, message

    def close(self) -> None:
        """Ends all workers at once."""
        for member in self.members:
            member.process.kill()
        for member in self.members:
            member.process.join()
            member.connection.close()

    def __enter__(self) -> "WorkerPool[Tag]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
