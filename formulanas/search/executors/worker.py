"""A worker: holds the training images, trains one candidate after the other, and has something to say every epoch."""

import ctypes
import signal
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Literal

import torch

from formulanas.data.images import LabelledImages, split
from formulanas.formula.bind import bind
from formulanas.network.network import build
from formulanas.search.executors.task import Message, Task
from formulanas.search.screening.costs import COST_IMAGES, exceeded, measure
from formulanas.search.space.proxy import Proxy
from formulanas.seeds import derive_seed
from formulanas.training.training import DivergedError, Training

PR_SET_PDEATHSIG = 1
READY: Literal["ready"] = "ready"  # a worker process's first word, before any task


class Worker:
    """What every executor runs, in as many processes as it likes."""

    def __init__(self, proxy: Proxy, device: str, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        torch.backends.cudnn.benchmark = True
        self.proxy, self.device = proxy, torch.device(device)
        if self.device.index is not None:
            torch.cuda.set_device(self.device)
        self.data = proxy.images().to(self.device)
        self.split: tuple[int, LabelledImages, LabelledImages] | None = None

    def train(self, task: Task) -> Iterator[Message]:
        """Trains a task, with a message after every epoch and one for its end."""
        try:
            data, validation = self.parts(task.split_seed)
            architecture = self.proxy.architecture(bind(task.formula), task.backbone)
            network = build(architecture, derive_seed(task.seed, "weights"))
            training = Training(network, data, task.recipe, task.seed, replayed=True)
            costs = measure(task.costs, network, data.normalise(data.images[:COST_IMAGES]))
            if reason := exceeded(costs, task.limits):
                yield Message("rejected", costs=costs, reason=reason)
                return
            for metrics in training.run(validation):
                yield Message("epoch", metrics, costs if metrics.epoch == 1 else {})
        except DivergedError as error:
            yield Message("failed", reason=str(error))
        except torch.OutOfMemoryError as error:
            yield Message("failed", reason=f"out of memory: {error}", details=traceback.format_exc())
        except Exception as error:  # a trial's edge: one bad candidate must not end a search
            yield Message("failed", reason=f"{type(error).__name__}: {error}", details=traceback.format_exc())
        else:
            yield Message("done")

    def parts(self, seed: int) -> tuple[LabelledImages, LabelledImages]:
        if self.split is None or self.split[0] != seed:
            cpu = self.data.to(torch.device("cpu"))
            training, validation = split(cpu, self.proxy.held_out, seed)
            self.split = seed, training.to(self.device), validation.to(self.device)
        return self.split[1], self.split[2]


def serve(connection: Connection, proxy: Proxy, device: str, num_threads: int) -> None:
    """Trains the tasks that come through `connection` until it is closed; after each epoch, waits for the answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides how a search ends
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # and no worker outlives it
    try:
        worker = Worker(proxy, device, num_threads)
        connection.send(READY)
        while True:
            for message in worker.train(connection.recv()):
                connection.send(message)
                if message.kind == "epoch" and not connection.recv():
                    connection.send(Message("done"))
                    break
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver is gone
