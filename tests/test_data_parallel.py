"""Several processes that train one network: the same steps as one process, resumed by any number, whole when one dies."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from model_folders import read_lines
from processes import KILLS, Process, assert_ends, assert_gone, descendants, started, wait_until
from small_training import SMALL, easy, fix_statistics, weights
from tiny_search import command_in
from torch import distributed

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.network.network import Network, build
from formulanas.records import read_json
from formulanas.store.models import Result
from formulanas.training.data_parallel import Place, distribute, idle_modules
from formulanas.training.training import EpochMetrics, Training

PARTS = 2
EPOCHS = 120  # of a tenth of a second: they outlast what it takes to stop the workers
RECIPE = f"epochs: {EPOCHS}\nbatch_size: 4\nimage_size: 32\nlearning_rate: 0.02\n"


def member(rank: int, folder: str, work: Callable[[int], object]) -> None:
    """Does `work` as the process `rank` of two, and keeps what comes of it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=PARTS)
    try:
        torch.save(work(rank), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()


def together(folder: Path, work: Callable[[int], object]) -> list[dict[str, object]]:
    """What comes of `work` in each of two processes, of which this is the first."""
    other = multiprocessing.get_context("spawn").Process(target=member, args=(1, str(folder), work))
    other.start()
    member(0, str(folder), work)
    other.join()
    assert other.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(PARTS)]


def network(name: str = "resnet-s") -> Network:
    """A small network whose stem has another width than its first stage, which projects a history that is zero."""
    return build(Architecture(bind_formula(name), Backbone((4, 8), (1, 2), stem_width=6), (3, 8, 8), 2), seed=7)


def shared(rank: int, accumulate: int = 1) -> Training:
    """A training with the other process, on 61 images in batches of 16: the last batch has parts of 7 and 6."""
    run = Training(network(), easy(61), SMALL, 7, accumulate, Place(rank, PARTS).part)
    distribute(run)
    return run


def with_fixed_statistics(rank: int) -> dict[str, object]:
    """Three trainings whose norms go by fixed statistics: whole, accumulated, and stopped in the second epoch."""
    found: dict[str, object] = {}
    for name, accumulate in (("whole", 1), ("accumulated", 4)):
        run = shared(rank, accumulate)
        fix_statistics(run)
        found[f"{name} metrics"] = [measures(each) for each in run.run()]
        found[name] = weights(run)
    stopped = shared(rank)
    fix_statistics(stopped)

    class StoppedError(Exception):
        pass

    def stop() -> None:
        if stopped.step == 6:
            raise StoppedError

    with pytest.raises(StoppedError):
        list(stopped.run(after_step=stop))
    found["state"] = stopped.state()
    return found


def with_own_statistics(rank: int) -> dict[str, object]:
    """A training whose norms go by each process's images."""
    run = shared(rank)
    metrics = [measures(each) for each in run.run()]
    return {"parameters": [each.detach() for each in run.network.parameters()], "metrics": metrics}


def measures(epoch: EpochMetrics) -> list[float]:
    """What an epoch came to, without its time."""
    return [epoch.train_loss, epoch.train_accuracy]


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """Norms fixed: weights and metrics as of one process with the same batches, also in parts, and stopped and resumed by one."""
    alone = Training(network(), easy(61), SMALL, 7)
    fix_statistics(alone)
    metrics = [measures(each) for each in alone.run()]
    first, second = together(tmp_path, with_fixed_statistics)
    for name in ("whole", "accumulated"):
        torch.testing.assert_close(first[name], weights(alone), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(first[f"{name} metrics"], metrics, rtol=1e-4, atol=1e-5)
        assert all(map(torch.equal, first[name], second[name]))  # type: ignore[call-overload]
    resumed = Training(network(), easy(61), SMALL, 7)
    fix_statistics(resumed)
    resumed.restore(first["state"])  # type: ignore[arg-type]
    again = [measures(each) for each in resumed.run()]
    torch.testing.assert_close(weights(resumed), weights(alone), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, metrics[1:], rtol=1e-4, atol=1e-5)


def test_with_norms_of_their_own_the_weights_stay_one(tmp_path: Path) -> None:
    """Statistics differ between processes, weights and metrics do not."""
    first, second = together(tmp_path, with_own_statistics)
    assert all(map(torch.equal, first["parameters"], second["parameters"]))  # type: ignore[call-overload]
    assert first["metrics"] == second["metrics"]
    assert first["metrics"][-1][1] > 0.9  # type: ignore[index]


def too_few(rank: int) -> str:
    """Why 33 images in batches of 16 cannot be shared by two."""
    with pytest.raises(InputError) as caught:
        distribute(Training(network(), easy(33), SMALL, 7, part=Place(rank, PARTS).part))
    return str(caught.value)


def test_every_batch_has_an_image_for_each(tmp_path: Path) -> None:
    """33 = 16 + 16 + 1."""
    assert "the last of 33 images in batches of 16 has 1" in str(together(tmp_path, too_few)[1])


@pytest.mark.parametrize("name", ["resnet", "resnet-s", "multi-residual", "momentum", "leapfrog", "densenet", "nfnet"])
def test_gradients_come_for_all_but_idle_modules(name: str) -> None:
    """What the processes do not wait for is exactly what has no gradient: projections of a history that is zero."""
    found = network(name)
    found(torch.randn(2, 3, 8, 8)).sum().backward()
    assert {key.partition(".")[0] for key, each in found.named_parameters() if each.grad is None} == set(
        idle_modules(found)
    )
    assert bool(idle_modules(found)) == (name in ("resnet-s", "momentum", "leapfrog"))


def test_one_worker_loads_no_ray() -> None:
    """Ray is imported for workers only."""
    code = "import sys, formulanas.retrain, formulanas.retrain.job; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_workers_fit_the_cluster() -> None:
    """A GPU for each where there are any; too few CPUs or GPUs are said."""
    from formulanas.retrain.workers import gpus_for

    assert not gpus_for(2, {"CPU": 2})
    assert gpus_for(2, {"CPU": 8, "GPU": 2})
    with pytest.raises(InputError, match="2 workers need 2 CPUs, but the Ray cluster has 1 CPUs"):
        gpus_for(2, {"CPU": 1})
    with pytest.raises(InputError, match="4 workers need 4 GPUs, but the Ray cluster has 8 CPUs and 2 GPUs"):
        gpus_for(4, {"CPU": 8, "GPU": 2})


def prepared(folder: Path, images: Path) -> list[str]:
    """The command that retrains on the few `images`, in a folder that has its recipe."""
    (folder / "small.yaml").write_text(RECIPE)
    command = ["retrain", "resnet-s", "--backbone", "cifar-resnet-8", "--recipe", "small.yaml", "--json"]
    command += ["--dataset", "imagenet", "--data-dir", str(images), "--decoders", "0", "--checkpoint-minutes", "0"]
    return command


def workers_past(folder: Path, epoch: int, process: Process, gone: Collection[int] = ()) -> list[int]:
    """The ids of the two workers of Ray Train at work, none of them among the `gone`, once `epoch` epochs are kept."""
    found: list[int] = []

    def at_work() -> bool:
        found[:] = [pid for pid, title in descendants(process.pid).items() if "RayTrainWorker" in title]
        kept = sum(len(read_lines(path)) for path in folder.glob("runs/*/*/metrics.jsonl"))
        return kept >= epoch and len(found) == 2 and not set(found) & set(gone)

    wait_until(at_work, process, folder)
    return found


def assert_result(printed: str, folder: Path) -> None:
    """The document that a retraining prints at its end is what is kept, and says all there is to say."""
    document = json.loads(printed)
    kept = folder / document["folder"]
    assert read_json(kept / "result.json") == {"schema": Result.SCHEMA, **document}
    assert set(document) == {field.name for field in fields(Result)}
    assert [each["epoch"] for each in read_lines(kept / "metrics.jsonl")] == list(range(1, EPOCHS + 1))
    assert not list(kept.glob("*checkpoint*"))
    assert document["test_images"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_worker_costs_a_start(seed: int, tmp_path: Path, folders: Path) -> None:
    """One of two workers is lost by SIGKILL, and later the other: all go on from the last checkpoint, to a result."""
    with started(tmp_path, *prepared(tmp_path, folders), "--workers", "2") as process:
        workers: list[int] = []
        for which in (0, 1):
            workers = workers_past(tmp_path, which + 1, process, gone=workers)
            time.sleep(seed * 0.05)
            os.kill(workers[which], signal.SIGKILL)
        assert_ends(process, tmp_path, 0)
    assert_result((tmp_path / "output").read_text(), tmp_path)
    shown = (tmp_path / "errors").read_text()
    assert len(re.findall("worker [01] was lost; all begin again at the last checkpoint", shown)) == 2
    assert shown.count("resumed   at step") == 2
    assert "Traceback" not in shown


@pytest.mark.slow
def test_interrupted_with_two_workers_and_resumed_by_one(tmp_path: Path, folders: Path) -> None:
    """Ctrl-C ends it with exit code 130 and leaves no worker; one process goes on from there."""
    command = prepared(tmp_path, folders)
    with started(tmp_path, *command, "--workers", "2") as process:
        workers = workers_past(tmp_path, 1, process)
        process.send_signal(signal.SIGINT)
        assert_ends(process, tmp_path, 130, 60)
    assert_gone(workers, 0)
    shown = (tmp_path / "errors").read_text()
    assert "Interrupted: go on from the last checkpoint" in shown
    assert "Traceback" not in shown
    assert (tmp_path / "output").read_text() == ""
    assert not list(tmp_path.glob("runs/*/*/result.json"))
    resumed = command_in(tmp_path)(*command, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "resumed   at step" in resumed.stderr
    assert_result(resumed.stdout, tmp_path)
