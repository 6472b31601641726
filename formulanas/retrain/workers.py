"""A retraining by several workers of Ray Train, on one machine or many that share a file system.

Ray Train starts the group and finds out when a worker is lost; what is lost is begun again here, from the checkpoint
in the retraining's own folder, so that a mistake of the user is not, and any number of workers can go on from there.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from formulanas.cluster import connect
from formulanas.errors import InputError
from formulanas.progress import Part, Progress, Styled
from formulanas.retrain.job import Job
from formulanas.retrain.settings import Options, Settled, default_decoders
from formulanas.store.models import Result, read_model
from formulanas.training import checkpoint
from formulanas.training.data_parallel import Place
from formulanas.training.training import DivergedError

# isort: split
import ray
from ray import train
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

MAX_LOSSES = 3  # of the group in a row, with no checkpoint between
POLL_SECONDS = 0.5


def train_together(settled: Settled, options: Options, progress: Progress) -> Result:
    """Trains with so many workers of a cluster, or of this machine, as the options say, and evaluates.

    Raises InputError where the cluster has no room for them, and what stopped them where that would come again.
    """
    workers = options.workers
    with redirect_stdout(sys.stderr):  # Ray tells there what happens to its processes; stdout is the caller's
        try:
            place = connect(options.address, workers)
            gpus = gpus_for(workers, ray.cluster_resources())  # type: ignore[no-untyped-call]
            group = _Group(settled, options, gpus, progress)
            progress.line(f"workers   {workers} of Ray Train {place}")
            note = f"each norms its 1/{workers} of every batch by itself; the first's statistics are kept"
            progress.line(f"          {note}")
            with progress.working(None):
                group.run()
        finally:
            ray.shutdown()
    result = read_model(settled.folder).result
    assert result is not None
    return result


def gpus_for(workers: int, room: Mapping[str, float]) -> bool:
    """Whether each worker has a GPU. Raises InputError where the cluster has no room for all."""
    have = f"the Ray cluster has {room.get('CPU', 0):g} CPUs and {room.get('GPU', 0):g} GPUs (--workers)"
    if room.get("CPU", 0) < workers:
        raise InputError(f"{workers} workers need {workers} CPUs, but {have}")
    if 0 < room.get("GPU", 0) < workers:
        raise InputError(f"{workers} workers need {workers} GPUs, but {have}")
    return room.get("GPU", 0) > 0


class _Group:
    """The workers, begun again when one is lost; `progress` says what the first one says."""

    def __init__(self, settled: Settled, options: Options, gpus: bool, progress: Progress) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.progress, self.folder = progress, settled.folder
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self.config = {
            "settled": settled,
            "options": options,
            "queue": self.queue,
            "home": str(Path.cwd()),
            "is_live": progress.is_live,
        }
        self.scaling = train.ScalingConfig(num_workers=options.workers, use_gpu=gpus)
        self.backend = TorchConfig(backend="nccl" if gpus else "gloo")

    def run(self) -> None:
        """Trains to the end."""
        losses, saved = 0, self.saved()
        while (error := self.attempt()) is not None:
            if isinstance(error, InputError | DivergedError):
                raise error
            losses, saved = 1 if self.saved() != saved else losses + 1, self.saved()
            if losses == MAX_LOSSES:
                raise InputError(
                    f"{loss(error)}, {MAX_LOSSES} times in a row with no checkpoint between; see the logs of Ray, and "
                    "go on by --resume"
                ) from error
            self.progress.line(Styled(f"{loss(error)}; all begin again at the last checkpoint", "warning"))

    def saved(self) -> int | None:
        """When the newest checkpoint was written."""
        path = self.folder / checkpoint.CURRENT
        return path.stat().st_mtime_ns if path.exists() else None

    def attempt(self) -> Exception | None:
        """Lets the group train until it ends, and returns why it did not reach the end."""
        interrupt, told = signal.getsignal(signal.SIGINT), list[Exception]()
        with tempfile.TemporaryDirectory() as storage, self.listening(told):
            trainer = TorchTrainer(
                _train,
                train_loop_config=self.config,
                torch_config=self.backend,
                scaling_config=self.scaling,
                run_config=train.RunConfig(
                    name=self.folder.name,
                    storage_path=storage,
                    failure_config=train.FailureConfig(max_failures=0),
                ),
            )
            try:
                trainer.fit()
            except SystemExit:  # how Ray Train ends where it was interrupted
                raise KeyboardInterrupt from None
            except Exception as error:
                failure = error
            else:
                return None
            finally:
                signal.signal(signal.SIGINT, interrupt)
        return (told or [failure])[0]

    @contextmanager
    def listening(self, told: list[Exception]) -> Iterator[None]:
        """Shows what the workers say, and adds to `told` what stops them."""
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set() or not self.queue.empty():
                with suppress(Empty):
                    message: tuple[str, Any] | Exception = self.queue.get(timeout=POLL_SECONDS)
                    match message:
                        case Exception():
                            told.append(message)
                        case "line", parts:
                            self.progress.line(*parts)
                        case "status", text:
                            self.progress.status(text)
                        case "begin", total:
                            self.progress.begin(total)
                        case "advance", units:
                            self.progress.advance(units)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def loss(error: Exception) -> str:
    """Which worker was lost, or what it said last; what the others say of that comes second."""
    failures = error.worker_failures if isinstance(error, train.WorkerGroupError) else {}
    gone = [rank for rank, failure in failures.items() if type(failure).__module__.startswith("ray.")]
    if gone:
        return f"worker {gone[0]} was lost"
    rank, failure = next(iter(failures.items()), (None, error))
    return f"{'Ray Train' if rank is None else f'worker {rank}'} failed: {str(failure).strip().splitlines()[-1]}"


class _Far(Progress):
    """What a worker says, put into a queue; without one, nothing is said."""

    def __init__(self, queue: Queue | None, is_live: bool) -> None:
        super().__init__()
        self.queue, self.is_live = queue, is_live
        self.waiting, self.told = 0.0, 0.0

    def tell(self, kind: str, content: Any) -> None:
        if self.queue is not None:
            self.queue.put((kind, content))

    def line(self, *parts: Part) -> None:
        self.tell("line", parts)

    def status(self, text: str) -> None:
        self.tell("status", text)

    def begin(self, total: float | None) -> None:
        super().begin(total)
        self.tell("begin", total)

    def advance(self, units: float) -> None:
        super().advance(units)
        self.waiting += units
        if time.monotonic() - self.told > POLL_SECONDS:  # a message takes longer than some steps do
            self.tell("advance", self.waiting)
            self.waiting, self.told = 0.0, time.monotonic()


def _train(config: dict[str, Any]) -> None:
    """What each worker does."""
    settled: Settled = config["settled"]
    options: Options = config["options"]
    context = train.get_context()
    place = Place(context.get_world_rank(), context.get_world_size(), get_device())
    cores = max(1, default_decoders() // context.get_local_world_size())
    torch.set_num_threads(cores)
    try:
        home = Path(config["home"])
        if not (home / settled.folder).is_dir():
            raise InputError(
                f"{os.uname().nodename} does not see {home / settled.folder}; workers on several machines need the "
                "same folders: work where all of them share a file system"
            )
        os.chdir(home)
        progress = _Far(config["queue"] if place.is_first else None, config["is_live"])
        decoders = cores if options.decoders is None else options.decoders
        job = Job(settled, replace(options, decoders=decoders), progress, place)
        network = job.train_all()
        if place.is_first:
            job.finish(network)
    except (InputError, DivergedError) as error:
        config["queue"].put(error)
        raise
