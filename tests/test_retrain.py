"""Retraining: seeds and what they come to, scaling, ImageNet from end to end, accumulation, resume of everything."""

import json
import os
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from imagenet_files import broken_copy
from model_folders import read_lines
from small_training import easy, fix_statistics, training, weights

from formulanas.cli.main import main
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.recipe import Recipe
from formulanas.records import read_json, read_yaml
from formulanas.retrain import Options, retrain
from formulanas.retrain.job import Job
from formulanas.retrain.seeds import summarise
from formulanas.retrain.settings import settle
from formulanas.store.models import Result
from formulanas.store.targets import resolve
from formulanas.training import checkpoint
from formulanas.training.load import load_retrained
from formulanas.training.training import Training

ADAM = Recipe(epochs=3, batch_size=16, learning_rate=0.01, optimizer="adam", average=0.9, crop_padding=1)
LAMB = replace(ADAM, optimizer="lamb", mixup=0.2, cutmix=1.0, loss="binary", decayed="weights", erasing=0.3)
SHORT = """
epochs: 2
batch_size: 5
image_size: 32
learning_rate: 0.02
optimizer: lamb
average: 0.9
mixup: 0.2
jitter: 0.3
"""


def a_result(seed: int, top1: float, recipe: str = "abc") -> Result:
    """A result of some seed."""
    return Result(f"folder-{seed}", top1, 0.9, 100, 1, 1, 1, recipe, seed, 1.0, "")


def test_a_summary_is_students() -> None:
    """Mean, deviation, median and the 95 % interval by the table: t = 4.303 for 2 degrees of freedom."""
    values = [0.90, 0.93, 0.91]
    found = summarise([a_result(seed, value) for seed, value in enumerate(values)])
    assert (found.n, found.values, found.median) == (3, tuple(values), 0.91)
    assert found.mean == pytest.approx(0.913333, abs=1e-6)
    assert found.deviation == pytest.approx(0.0152753, abs=1e-6)
    half = 4.303 * statistics.stdev(values) / 3**0.5
    assert found.interval == pytest.approx((found.mean - half, found.mean + half), abs=1e-5)
    with pytest.raises(InputError, match="only results of one recipe are averaged"):
        summarise([a_result(0, 0.9), a_result(1, 0.9, "def")])


@pytest.mark.usefixtures("few_images")
def test_seeds_are_trained_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its folder; --seed gives the first; the plan is written first; what is there is not trained again."""
    monkeypatch.chdir(tmp_path)
    command = ["retrain", "resnet", "--backbone", "cifar-resnet-8", "--epochs", "1", "--json"]
    command += ["--seed", "4", "--recipe", "small.yaml"]
    Path("small.yaml").write_text("epochs: 3\nbatch_size: 100\n")
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.stderr
    assert {"top1", "top5", "seed", "recipe", "params"} <= set(json.loads(first.stdout))
    refused = CliRunner().invoke(main, [*command, "--seeds", "2"])
    assert refused.exit_code == 2
    assert "seed4 exists" in refused.stderr
    both = CliRunner().invoke(main, [*command, "--seeds", "2", "--resume"])
    assert both.exit_code == 0, both.stderr
    document = json.loads(both.stdout)
    assert [each["seed"] for each in document["seeds"]] == [4, 5]
    assert document["seeds"][0] == json.loads(first.stdout)
    assert document["mean"] == pytest.approx(statistics.fmean(each["top1"] for each in document["seeds"]))
    assert document["values"] == [each["top1"] for each in document["seeds"]]
    kept = sorted(path.name.split("-")[-1] for path in Path("runs/retrained").iterdir())
    assert kept == ["5.json", "seed4", "seed5"]
    (summary,) = Path("runs/retrained").glob("*.json")
    assert summary.name.endswith("-1-seeds4-5.json")
    assert read_json(summary)["planned"] == [4, 5]
    text = CliRunner().invoke(main, [*command[:-1], *command[-1:], "--seeds", "2", "--resume"])
    assert json.loads(text.stdout) == document


def test_scale_shows_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phi = 2 of 1905.11946: widths times 1.21 to a multiple of 8 (19 to 24, as 16 is too few), depths times 1.44 rounded up, images times 1.3225."""
    monkeypatch.chdir(tmp_path)
    settled = settle(resolve("resnet"), Options(dataset_name="imagenet", scale=2.0))
    backbone, recipe = settled.settings.backbone, settled.settings.recipe
    assert (backbone.widths, backbone.depths) == ((80, 152, 312, 616), (3, 3, 3, 3))
    assert (recipe.image_size, recipe.size_at_test) == (296, 296)
    assert settled.settings.backbone_name == "resnet18-phi2"
    assert settled.settings.recipe_name == "imagenet"
    on_cifar = settle(resolve("resnet"), Options(scale=2.0))
    assert on_cifar.settings.backbone.widths == (24, 40, 80)
    assert on_cifar.compared["unscaled"][0].widths == (16, 32, 64)
    assert on_cifar.folder != settle(resolve("resnet"), Options()).folder


@pytest.mark.usefixtures("few_images")
def test_the_first_lines_compare_with_the_unscaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after, with parameters and multiply-accumulates, and that small images keep their size."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text("epochs: 1\nbatch_size: 100\n")
    command = ["retrain", "resnet", "--backbone", "cifar-resnet-8", "--recipe", "small.yaml", "--scale", "-3"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.stderr
    assert "unscaled: widths 16-32-64, depths 1-1-1, 32 pixels: 78,042 parameters" in result.stderr
    assert "now: widths 16-24-48, depths 1-1-1, 32 pixels" in result.stderr
    assert "keep their 32 pixels" in result.stderr


@pytest.mark.parametrize("layout", ["folders", "shards"])
def test_imagenet_from_end_to_end(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on a stream, head and norms tuned at another size, tested by one and ten crops; three classes, not 1,000."""
    home = request.getfixturevalue(layout)
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT)
    command = ["retrain", "resnet-s", "--dataset", "imagenet", "--data-dir", str(home), "--recipe", "short.yaml"]
    command += ["--backbone", "cifar-resnet-8", "--ten-crop", "--fixres", "40", "--decoders", "0"]
    result = CliRunner().invoke(main, [*command, "--json"])
    assert result.exit_code == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert outcome["test_images"] == 6
    assert 0 <= outcome["ten_crop_top1"] <= outcome["ten_crop_top5"] == 1
    settings = read_yaml(Path(outcome["folder"]) / "retrain.yaml")
    assert (settings["num_classes"], settings["image_size"]) == (3, 32)
    assert (settings["fixres"]["image_size"], settings["fixres"]["epochs"]) == (40, 1)
    epochs = read_lines(Path(outcome["folder"]) / "metrics.jsonl")
    assert [(each.get("phase", 0), each["epoch"]) for each in epochs] == [(0, 1), (0, 2), (1, 1)]
    network = load_retrained(outcome["folder"]).network
    assert network(torch.zeros(1, 3, 40, 40)).shape == (1, 3)


def test_broken_images_can_be_left_out_of_what_was_begun(
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first attempt names them and stops; --resume --skip-broken, as its message says, trains without them."""
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT)
    home = broken_copy(folders, tmp_path / "broken")
    shutil.copytree(folders / "val", home / "val")
    options = Options("cifar-resnet-8", "imagenet", "short.yaml", data_dir=home, decoders=0)
    with pytest.raises(InputError, match="skip-broken"):
        retrain("resnet", options)
    assert retrain("resnet", replace(options, resume=True, skip_broken=True)).test_images == 6


@pytest.mark.parametrize("stop_at", range(1, 8))
def test_a_stream_killed_at_any_step_ends_in_the_same_weights(
    stop_at: int,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2 epochs of 3 steps, then one of 3 for head and norms: killed within and between, the weights are the same."""
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT)
    options = Options("cifar-resnet-8", "imagenet", "short.yaml", data_dir=folders, fixres=40, decoders=0)
    options = replace(options, checkpoint_minutes=0)
    whole = Path(retrain("resnet", options).folder)
    expected = torch.load(whole / "weights.pt", weights_only=True)
    epochs = [(each["epoch"], each["train_loss"]) for each in read_lines(whole / "metrics.jsonl")]
    whole.rename(tmp_path / "whole")

    class KilledError(Exception):
        pass

    steps, finished = 0, []
    train_step, train = Training.train_step, Job.train

    def killed(self: Training, images: torch.Tensor, labels: torch.Tensor) -> None:
        nonlocal steps
        train_step(self, images, labels)
        steps += 1
        if steps == stop_at + 1:  # the checkpoint after step `stop_at` is the last
            finished.extend(read_lines(whole / "metrics.jsonl"))
            raise KilledError

    monkeypatch.setattr(Training, "train_step", killed)
    with pytest.raises(KilledError):
        retrain("resnet", options)
    monkeypatch.setattr(Training, "train_step", train_step)
    begun = []

    def watched(self: Job, phase: int, run: Training) -> None:
        begun.append((phase, run.epochs_done))
        train(self, phase, run)

    monkeypatch.setattr(Job, "train", watched)
    retrain("resnet", replace(options, resume=True))
    again = torch.load(whole / "weights.pt", weights_only=True)
    assert all(torch.equal(expected[name], again[name]) for name in expected)
    assert [(each["epoch"], each["train_loss"]) for each in read_lines(whole / "metrics.jsonl")] == epochs
    assert len(finished) == stop_at // 3
    assert begun[0] == divmod(min(stop_at // 3, 2), 2) if stop_at >= 6 and stop_at % 3 else True
    assert sum(done for _, done in begun[:1]) + 2 * begun[0][0] >= len(finished)  # no finished epoch begins again


@pytest.mark.parametrize("recipe", [ADAM, LAMB], ids=["adam", "lamb"])
@pytest.mark.parametrize("stop_at", [2, 4])
def test_average_and_optimizer_are_resumed(tmp_path: Path, recipe: Recipe, stop_at: int) -> None:
    """Adam, LAMB, the average of the weights and mixed batches go on exactly, within and at the end of an epoch."""
    whole = training(recipe)
    metrics = list(whole.run())
    killed = training(recipe)

    class KilledError(Exception):
        pass

    def kill() -> None:
        if killed.step == stop_at:
            checkpoint.save(tmp_path, killed.state())
            raise KilledError

    with pytest.raises(KilledError):
        list(killed.run(after_step=kill))
    resumed = training(recipe)
    state, _ = checkpoint.load(tmp_path, torch.device("cpu"))
    assert state is not None
    resumed.restore(state)
    again = list(resumed.run())
    assert all(map(torch.equal, weights(whole), weights(resumed)))
    assert all(map(torch.equal, whole.result.state_dict().values(), resumed.result.state_dict().values()))
    assert [each.train_loss for each in again] == [each.train_loss for each in metrics]


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_accumulated_gradients_are_those_of_the_whole_batch(parts: int) -> None:
    """With norms that go by fixed statistics, a batch in parts takes the step of the batch at once."""
    runs = [Training(training().network, easy(), replace(ADAM, optimizer="sgd"), 7, each) for each in (1, parts)]
    for run in runs:
        fix_statistics(run)
        list(run.run())
    for one, other in zip(*map(weights, runs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_parts_of_a_batch_add_up_to_its_gradient() -> None:
    """What two processes compute from their parts has, in the mean, the gradient of the batch, the last one too."""
    whole = Training(training().network, easy(61), replace(ADAM, optimizer="sgd"), 7)
    gradients = []
    for part in (slice(None), slice(0, None, 2), slice(1, None, 2)):
        run = Training(training().network, easy(61), replace(ADAM, optimizer="sgd"), 7, part=part)
        fix_statistics(run)
        run.step = whole.steps_an_epoch - 1  # 61 images: a batch of 13
        (batch,) = run.images.batches(16, seed=0, begin=run.step, part=part)
        run.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
        run.train_step(*batch)
        gradients.append([each.grad for each in run.network.parameters()])
    for all_at_once, first, second in zip(*gradients, strict=True):
        assert all_at_once is not None
        assert first is not None
        assert second is not None
        torch.testing.assert_close((first + second) / 2, all_at_once, rtol=1e-4, atol=1e-6)


def test_the_network_may_be_replaced_by_what_computes_the_same() -> None:
    """`forward` is what a step calls: a compiled or distributed network takes its place."""
    run, calls = training(), []

    def counted(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        return run.network(images)  # type: ignore[no-any-return]

    run.forward = counted
    list(run.run())
    assert len(calls) == run.num_steps


@pytest.mark.slow
def test_one_epoch_of_all_of_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is at hand: 50,000 images through the same path, and the 10,000 of the test."""
    data_dir = Path(os.environ.get("FORMULANAS_DATA_DIR", Path(__file__).parents[1] / "data"))
    if not (data_dir / "cifar-10-batches-bin").is_dir():
        pytest.skip("CIFAR-10 is neither in data/ nor in FORMULANAS_DATA_DIR")
    assert len(read_training_set("cifar10", data_dir)) == 50_000
    monkeypatch.chdir(tmp_path)
    found = retrain("resnet", Options("cifar-resnet-8", "cifar10", epochs=1, data_dir=data_dir))
    assert found.test_images == 10_000
    assert found.top1 > 0.4
