"""A worker process: holds the training images, trains one candidate after the other, and reports every epoch."""

import ctypes
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import torch

from formulanas.architecture.architecture import Architecture
from formulanas.data.images import LabelledImages, split
from formulanas.data.training_set import read_training_set
from formulanas.formula.bind import bind
from formulanas.network.network import build
from formulanas.recipe import Recipe
from formulanas.search.proxy import Proxy
from formulanas.seeds import derive_seed
from formulanas.training.training import DivergedError, EpochMetrics, Training

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Task:
    """One training: the recursion's canonical text, the recipe, and the seeds of the training and of the split."""

    formula: str
    recipe: Recipe
    seed: int
    split_seed: int


@dataclass(frozen=True)
class Message:
    """What a worker says: `epoch` expects True (go on) or False (stop) in answer; the others end the task."""

    kind: Literal["ready", "epoch", "done", "failed", "died"]
    metrics: EpochMetrics | None = None
    reason: str = ""
    details: str = ""


def work(connection: Connection, proxy: Proxy, device: str, num_threads: int) -> None:
    """Trains the tasks that come through `connection` until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides how a search ends
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # and no worker outlives it
    torch.set_num_threads(num_threads)
    torch.backends.cudnn.benchmark = True
    try:
        _Worker(connection, proxy, torch.device(device)).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver is gone


class _Worker:
    def __init__(self, connection: Connection, proxy: Proxy, device: torch.device) -> None:
        self.connection, self.proxy, self.device = connection, proxy, device
        self.data = read_training_set(proxy.dataset, Path(proxy.data_dir)).to(device)
        self.split: tuple[int, LabelledImages, LabelledImages] | None = None

    def run(self) -> None:
        self.connection.send(Message("ready"))
        while True:
            task: Task = self.connection.recv()
            try:
                self.train(task)
            except DivergedError as error:
                self.connection.send(Message("failed", reason=str(error)))
            except torch.OutOfMemoryError as error:
                self.connection.send(
                    Message("failed", reason=f"out of memory: {error}", details=traceback.format_exc())
                )
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # a trial's edge: one bad candidate must not end a search
                reason = f"{type(error).__name__}: {error}"
                self.connection.send(Message("failed", reason=reason, details=traceback.format_exc()))

    def train(self, task: Task) -> None:
        data, validation = self.parts(task.split_seed)
        architecture = Architecture(bind(task.formula), self.proxy.backbone, data.shape, data.num_classes)
        network = build(architecture, derive_seed(task.seed, "weights"))
        for metrics in Training(network, data, task.recipe, task.seed).run(validation):
            self.connection.send(Message("epoch", metrics))
            if not self.connection.recv():
                break
        self.connection.send(Message("done"))

    def parts(self, seed: int) -> tuple[LabelledImages, LabelledImages]:
        if self.split is None or self.split[0] != seed:
            cpu = self.data.to(torch.device("cpu"))
            training, validation = split(cpu, self.proxy.held_out, seed)
            self.split = seed, training.to(self.device), validation.to(self.device)
        return self.split[1], self.split[2]
