"""Folders that an earlier version wrote are read for ever: a finished run, retrained models, and what was interrupted."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from model_folders import read_lines

from formulanas.cli.main import main
from formulanas.retrain import seeds
from formulanas.store.models import Result
from formulanas.store.targets import Target, resolve

GOLDEN = Path(__file__).with_name("golden") / "runs"
RESNET_S = "runs/retrained/resnet-s-cifar-resnet-8-cifar10-mini-cifar-1-seed0"
WINNER = "runs/golden/retrain/8fbbdf6c0420-cifar-resnet-8-cifar10-mini-cifar-1-seed0"
RETRAIN = ("retrain", "resnet-s", "--dataset", "cifar10-mini", "--backbone", "cifar-resnet-8", "--resume")


@pytest.fixture(autouse=True)
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which an earlier version worked."""
    shutil.copytree(GOLDEN, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*arguments: str) -> dict[str, object]:
    """The JSON object that a command prints in this process."""
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout)
    return document


def kept(path: str) -> dict[str, object]:
    """A document as the earlier version wrote it."""
    document: dict[str, object] = json.loads((GOLDEN.parent / path).read_text())
    return document


def ran(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, which ended well."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "formulanas", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert result.returncode == 0, result.stderr
    return result


def test_a_finished_run_is_listed_and_shown() -> None:
    """Its state, its winner and its trials, also those that were rejected or were never trained."""
    board = kept("runs/golden/leaderboard.json")
    status = printed("status", "golden")
    assert (status["state"], status["confirmed"]) == ("finished", 8)
    assert status["best"]["formula"] == board["best"]["formula"]  # type: ignore[index]
    for target in ("best", "golden", "golden:best"):
        shown = printed("show", target)
        assert [shown[name] for name in ("formula", "key", "params", "macs")] == [
            board["best"][name]  # type: ignore[index]
            for name in ("formula", "key", "params", "macs")
        ]
    trial = kept("runs/golden/trials/0002/trial.json")
    assert printed("show", "golden:2")["params"] == trial["params"]
    assert printed("status", "interrupted")["state"] == "interrupted"


@pytest.mark.parametrize("folder", [RESNET_S, WINNER])
def test_a_retrained_model_is_shown_and_exported(folder: str) -> None:
    """The network that was trained, over its own backbone, with its weights."""
    result = kept(f"{folder}/result.json")
    shown = printed("show", folder)
    assert (shown["params"], shown["macs"]) == (result["params"], result["macs"])
    assert (shown["backbone"], shown["dataset"]) == ("cifar-resnet-8", "cifar10-mini")
    exported = printed("export", folder, "-o", "network.py")
    assert (exported["trained"], exported["difference"]) == (True, 0)
    weights = torch.load(Path(folder) / "weights.pt", weights_only=True)
    assert torch.equal(runpy.run_path("network.py")["load"]().state_dict()["stem.0.weight"], weights["stem.0.weight"])


def test_retrained_models_are_compared() -> None:
    """By folder, by the folder of folders, and by name."""
    accuracies = [kept(f"{folder}/result.json")["top1"] for folder in (RESNET_S, WINNER)]
    compared = printed("compare", RESNET_S, WINNER)
    shown = [row["cifar10-mini_top1"] for row in compared["values"].values()]  # type: ignore[attr-defined]
    assert shown == [pytest.approx(100 * each) for each in accuracies]  # type: ignore[operator]
    assert printed("compare", "resnet-s", "golden:best") == compared
    assert printed("compare", "runs/retrained", "runs/golden/retrain") == compared


def test_what_cannot_be_read_is_named_and_passed_over() -> None:
    """A comparison by name goes on without what is torn, or of a newer version; asked for by folder, it is an error."""
    for name, text in {"newer": "schema: 99", "torn": "null"}.items():
        Path(f"runs/retrained/{name}").mkdir()
        Path(f"runs/retrained/{name}/retrain.yaml").write_text(text)
        Path(f"runs/retrained/{name}/result.json").write_text("{}")
    compared = ran("compare", "resnet-s", "golden:best")
    assert "runs/retrained/newer is passed over: runs/retrained/newer/retrain.yaml has the schema 99" in compared.stderr
    assert "torn/retrain.yaml must hold a mapping" in compared.stderr
    for command in (["compare", "runs/retrained/newer", RESNET_S], ["show", "runs/retrained/newer"]):
        refused = CliRunner().invoke(main, command)
        assert refused.exit_code == 2
        assert "newer/retrain.yaml has the schema 99" in refused.stderr


@pytest.mark.parametrize(
    ("folder", "title", "network"),
    [
        (RESNET_S, "resnet-s over cifar-resnet-8, for images like those of cifar10-mini.", "ResnetS"),
        (WINNER, "Network over cifar-resnet-8, for images like those of cifar10-mini.", "Network"),
    ],
)
def test_exported_code_says_what_it_is(folder: str, title: str, network: str) -> None:
    """The model's own backbone, and the published name or none."""
    printed("export", folder, "-o", "network.py")
    text = Path("network.py").read_text()
    assert text.startswith(f'"""{title}\n')
    assert f"class {network}(nn.Module):" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--accumulate", "4"), "accumulate: 1, but asked for is 4"),
        (("--compile",), "compiled: False, but asked for is True"),
        (("--branches", "fused"), "branches: separate, but asked for is fused"),
        (("--data-dir", "."), "data_dir: data, but asked for is ."),
    ],
)
@pytest.mark.parametrize(
    "begun", [("--epochs", "3", "--seed", "1"), ("--epochs", "1")], ids=["interrupted", "finished"]
)
def test_what_a_resumed_retraining_cannot_change_is_refused(
    begun: tuple[str, ...], options: tuple[str, ...], words: str
) -> None:
    """The setting, what is kept and what was asked for are named, and nothing is touched."""
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    result = CliRunner().invoke(main, [*RETRAIN, *begun, *options])
    assert result.exit_code == 2
    assert words in result.stderr
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before


def test_what_is_asked_for_as_it_is_kept_is_no_change() -> None:
    """Settings that agree are no mistake."""
    Path("data").mkdir()
    options = (
        "--accumulate",
        "1",
        "--branches",
        "separate",
        "--data-dir",
        "data",
        "--recipe",
        "cifar",
        "--skip-broken",
    )
    assert printed(*RETRAIN, "--epochs", "1", *options)["top1"] == kept(f"{RESNET_S}/result.json")["top1"]


def test_best_is_one_formula_for_all_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another search finishes between the first seed and the second."""
    shutil.copytree("runs/golden", "runs/later", ignore=shutil.ignore_patterns("leaderboard.json", "retrain"))
    board, result = kept("runs/golden/leaderboard.json"), kept(f"{WINNER}/result.json")
    trained = []

    def train(target: str | Target, *_: object, **__: object) -> Result:
        trained.append((resolve(target) if isinstance(target, str) else target).recursion.text)
        other = {**board, "best": {**board["best"], "formula": "x[n] = x[n-1] + F[n](x[n-1])"}}  # type: ignore[dict-item]
        Path("runs/later/leaderboard.json").write_text(json.dumps(other))
        return Result(**result)  # type: ignore[arg-type]

    monkeypatch.setattr(seeds, "retrain", train)
    printed("retrain", "best", "--seeds", "3")
    assert trained == [board["best"]["formula"]] * 3  # type: ignore[index]


def test_a_kept_result_is_not_trained_again() -> None:
    """Neither by the same command, nor beside a seed that is trained today, which is of the same recipe."""
    old = kept(f"{RESNET_S}/result.json")
    again = printed(*RETRAIN, "--epochs", "1")
    assert {**again, "recipe": ""} == {**old, "recipe": ""}
    both = printed(*RETRAIN, "--epochs", "1", "--seeds", "2")
    assert (both["n"], both["values"][0]) == (2, old["top1"])  # type: ignore[index]
    assert {each["recipe"] for each in both["seeds"]} == {both["recipe"]}  # type: ignore[attr-defined]


def test_an_interrupted_retraining_is_gone_on_with() -> None:
    """From its checkpoint, after the first of three epochs."""
    folder = "runs/retrained/resnet-s-cifar-resnet-8-cifar10-mini-cifar-3-seed1"
    (first,) = read_lines(GOLDEN.parent / folder / "metrics.jsonl")
    result = ran(*RETRAIN, "--epochs", "3", "--seed", "1", "--json")
    assert "1 epochs done" in result.stderr
    assert json.loads(result.stdout)["folder"] == folder
    epochs = read_lines(Path(folder) / "metrics.jsonl")
    assert [each["epoch"] for each in epochs] == [1, 2, 3]
    assert epochs[0] == first


def test_an_interrupted_search_is_gone_on_with() -> None:
    """The trials that had ended stay as they were, and the rest is trained, confirmed and ranked."""
    ended = {
        path: (GOLDEN.parent / path).read_text()
        for path in map(str, Path().glob("runs/interrupted/trials/*/trial.json"))
    }
    ran("search", "--resume", "--name", "interrupted", "--workers", "1")
    assert {path: Path(path).read_text() for path in ended} == ended
    assert len(list(Path("runs/interrupted/trials").iterdir())) > len(ended) > 0
    assert printed("status", "interrupted")["state"] == "finished"
