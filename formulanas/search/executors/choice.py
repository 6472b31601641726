"""The executor that a search asks for, by its name."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from formulanas.errors import InputError, unknown_name
from formulanas.search.executors.local import WorkerPool
from formulanas.search.executors.task import Executor
from formulanas.search.space.proxy import Proxy, default_workers

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Workers:
    """Where trials are trained: by which executor, how many side by side (None: as many as fit), with what each."""

    executor: str = "local"
    workers: int | None = None
    address: str | None = None  # of a Ray cluster; None: this machine
    gpus: float | None = None  # for each trial on Ray, which may be a fraction

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"1 <= workers must hold, but got {self.workers}")
        if self.executor not in EXECUTORS:
            raise InputError(unknown_name("executor", self.executor, EXECUTORS) + " (--executor)")
        if self.executor != "ray" and (self.address is not None or self.gpus is not None):
            raise InputError("--address and --gpus say how to use a Ray cluster; add --executor ray")
        if self.gpus is not None and not (0 < self.gpus <= 1 or self.gpus in range(1, 1025)):
            raise InputError(f"a trial has a part of a GPU, or a whole number of them, but got {self.gpus:g} (--gpus)")


@contextmanager
def open_executor(workers: Workers, proxy: Proxy, run: str) -> Iterator[Executor]:
    """What trains the trials of a run, until the end of the block."""
    if workers.executor == "ray":
        from formulanas.search.executors.ray_tune import ray_executor  # its import takes seconds

        with ray_executor(proxy, run, workers.workers, workers.address, workers.gpus) as executor:
            yield executor
    else:
        with closing(WorkerPool(proxy, workers.workers or default_workers())) as pool:
            yield pool
