"""The command line: its contract, its JSON, and one clear message with exit code 2 for each mistake."""

import json
import re
import subprocess
import sys
from contextlib import ExitStack
from math import comb
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_search import TINY_SPACE, Command

from formulanas.architecture.backbones import BACKBONES
from formulanas.cli.main import main
from formulanas.formula.published import atlas, published
from formulanas.records import read_json
from formulanas.store.runs import locked

POINTS = ["plain", "resnet", "resnet-s", "anchored", "accumulated", "multi-residual"]
SPACE = Path(__file__).parents[1] / "search_spaces" / "recursion.yaml"
OPTIONS = {  # the contract: an option that goes or changes its name breaks scripts
    "search": "address data-dir dataset executor gpus json name resume seed set trials workers",
    "status": "json watch",
    "retrain": "accumulate address backbone bind branches checkpoint-minutes compile data-dir dataset decoders epochs fixres json recipe resume scale seed seeds skip-broken ten-crop workers",
    "reproduce": "data-dir dataset epochs json limit network run",
    "export": "-o backbone bind dataset format json output",
    "compare": "alpha columns higher json lower mixed plot table transpose",
    "show": "backbone bind blocks dataset equals json source svg",
    "paths": "backbone bind blocks expand json measure plot",
    "space": "count json no-count samples set",
    "atlas": "json",
    "data": "data-dir json",
    "design": "bind json max-depth paths",
}


def invoke(*arguments: str) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(main, arguments)


def shown(*arguments: str) -> dict[str, object]:
    """The JSON object that a command prints."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_the_options_are_the_contract(name: str) -> None:
    """The command's options, whole."""
    texts = {text for each in main.commands[name].params for text in (*each.opts, *each.secondary_opts)}
    assert sorted(text.removeprefix("--") for text in texts if text.startswith("-")) == OPTIONS[name].split()
    assert set(main.commands) == set(OPTIONS)


@pytest.mark.parametrize(
    ("formula", "backbone", "params"),
    [("resnet-s", "resnet18", 11_393_956), ("resnet", "resnet18", 11_220_132), ("resnet-s", "resnet50", 26_481_828)],
)
def test_show_prints_the_published_counts(formula: str, backbone: str, params: int) -> None:
    """`show resnet-s --backbone resnet18 --dataset cifar100 --json`, Table 8 of the paper."""
    facts = shown("show", formula, "--backbone", backbone, "--dataset", "cifar100")
    assert facts["params"] == params
    assert {"formula", "key", "macs", "history_depth", "growth", "backbone", "dataset"} <= set(facts)


@pytest.mark.parametrize("name", POINTS)
def test_the_named_points_of_the_space_are_the_published_formulas(name: str) -> None:
    """Each point binds to the formula of that name in the table, with its key."""
    point = read_points()[name]
    assert point["published"] == name
    facts = shown("show", name)
    assert (facts["formula"], facts["key"]) == (point["formula"], point["key"])


def read_points() -> dict[str, dict[str, str]]:
    """The points of the default space as `space --json` prints them."""
    facts = shown("space", str(SPACE), "--no-count")
    points: dict[str, dict[str, str]] = facts["points"]  # type: ignore[assignment]
    return points


def test_paths_in_json() -> None:
    """The contract's keys; a thousand blocks have C(1000, k) paths, printed whole."""
    facts = shown("paths", "resnet", "--blocks", "1000")
    assert facts["lengths"] == [comb(1000, k) for k in range(1001)]
    assert facts["gross"] == facts["lengths"]
    assert (facts["blocks"], facts["total"], facts["formula"]) == (1000, 2**1000, published("resnet").formula)


def test_the_number_of_architectures_is_exact(tmp_path: Path) -> None:
    """The tiny space by hand: for each activation, 1 + 3 + 9 sums of states times 1 + 2 earlier functions."""
    (tmp_path / "space.yaml").write_text(TINY_SPACE)
    assert shown("space", str(tmp_path / "space.yaml"))["size"] == 2 * 13 * 3
    (tmp_path / "real.yaml").write_text(
        TINY_SPACE.replace("[-0.5, 1, 2]", "{low: -1.0, high: 1.0}").replace('"a[1]": 1', '"a[1]": 1.0')
    )
    assert shown("space", str(tmp_path / "real.yaml"))["size"] is None


def test_a_formula_in_quotes_with_free_symbols_takes_bindings() -> None:
    """`--bind` gives a value to each symbol."""
    facts = shown("show", "x[n] = c * x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))", "--bind", "c=1/2", "--bind", "k=2")
    assert facts["formula"] == "x[n] = 0.5 * x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1])"


def test_atlas_and_data_list_what_there_is() -> None:
    """Every published formula with its source, every data set with its place."""
    formulas = shown("atlas")["formulas"]
    checked = {entry["name"]: entry["checked"] for entry in formulas}  # type: ignore[attr-defined]
    assert checked == {name: entry.checked for name, entry in atlas().items()}
    assert "checked: authors' code" in invoke("atlas", "leapfrog").stdout
    listed = shown("data")["datasets"]
    assert [entry["name"] for entry in listed] == ["cifar10-mini", "cifar10", "cifar100", "imagenet"]  # type: ignore[attr-defined]
    assert invoke("data", "cifar10-mini").stdout.startswith(
        "cifar10-mini: 4,000 training and 1,000 test images, complete"
    )


def test_text_output_reads_well() -> None:
    """Without --json, the same facts for a reader, square brackets and all."""
    text = invoke("show", "resnet-s", "--backbone", "resnet18", "--dataset", "cifar100").stdout
    assert "x[n] = relu(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])" in text
    assert "11,393,956" in text
    assert "def forward(self, x):" in invoke("show", "resnet-s", "--source").stdout
    assert "9 paths in all (net)" in invoke("paths", "resnet-s", "--blocks", "8").stdout
    assert "1000" in invoke("paths", "resnet", "--blocks", "1000").stdout
    assert "3.30e694" in invoke("paths", "x[n] = x[n-1] + 0.5 * x[n-2] + F[n](x[n-1])", "--blocks", "2000").stdout
    assert "stage 3 alone, 3 blocks" in invoke("paths", "resnet", "--backbone", "cifar-resnet-20").stdout
    for name in POINTS:
        assert published(name).formula in invoke("atlas", name).stdout


MISTAKES = [
    (("show", "x[n] = relu(y[n-1])"), "no sequence 'y'"),
    (("show", "resnt"), "did you mean 'resnet'"),
    (("show", "x[n] = c * x[n-1]"), "c need values"),
    (("show", "resnet", "--backbone", "resnet19"), "did you mean 'resnet18'"),
    (("show", "resnet", "--dataset", "cifar11"), "did you mean 'cifar10'"),
    (("show", "resnet", "--bind", "k"), "NAME=VALUE"),
    (("show", "best"), "no search has finished yet"),
    (("paths", "highway", "--blocks", "3"), "gate"),
    (("search", "nowhere.yaml"), "no file nowhere.yaml"),
    (("search",), "needs a space file"),
    (("search", "--resume"), "no run"),
    (("search", "space.yaml", "--trials", "0"), "1 <= trials"),
    (("search", "space.yaml", "--workers", "0"), "1 <= workers"),
    (("search", "space.yaml", "--executor", "rai"), "did you mean 'ray'"),
    (("search", "space.yaml", "--address", "auto"), "add --executor ray"),
    (("search", "space.yaml", "--executor", "ray", "--gpus", "1.5"), "a part of a GPU"),
    (("search", "space.yaml", "--data-dir", "nowhere"), "no data directory nowhere"),
    (("search", "space.yaml", "--dataset", "cifar10"), "cannot be fetched"),
    (("search", "space.yaml", "--name", "../x"), "a run's name"),
    (("search", "space.yaml", "--set", "serach.trials=3"), "no setting 'serach'; did you mean 'search'"),
    (("search", "space.yaml", "--set", "search.sampler=tpee"), "did you mean 'tpe'"),
    (("search", "space.yaml", "--set", "search.pruner=mediam"), "did you mean 'median'"),
    (("search", "space.yaml", "--set", "proxy.recipe.epoch=3"), "did you mean 'epochs'"),
    (("search", "space.yaml", "--set", "proxy.recipe.epochs=many"), "proxy.recipe.epochs"),
    (("search", "space.yaml", "--set", "symbols.a=[]"), "that of a is empty (symbols.a)"),
    (("search", "space.yaml", "--set", "symbols.a={low: 2, high: 1}"), "the domain is empty"),
    (("search", "space.yaml", "--set", "symbols.z=[1]"), "no symbol 'z'"),
    (("search", "space.yaml", "--set", "points.resnet.p=7"), "p = 7 is not in the domain of p (points.resnet.p)"),
    (("search", "space.yaml", "--set", "points.resnet.q=1"), "b[1] need values (points.resnet)"),
    (("search", "space.yaml", "--set", "formula=x[n] = x[n-1"), "cannot be read"),
    (("search", "space.yaml", "--set", "proxy.backbone.widths=[4]"), "one width, depth and stride a stage"),
    (("retrain", "nope"), "no target 'nope'"),
    (("retrain", "resnet", "--recipe", "cifr"), "did you mean 'cifar'"),
    (("retrain", "resnet", "--data-dir", "nowhere"), "no data directory nowhere"),
    (("retrain", "resnet", "--recipe", "nowhere.yaml"), "no file nowhere.yaml"),
    (("retrain", "resnet", "--fixres", "224"), "cifar10-mini have one size"),
    (("retrain", "resnet", "--ten-crop"), "those of cifar10-mini are whole"),
    (("retrain", "resnet", "--dataset", "imagenet"), "image-net.org/download-images"),
    (("retrain", "resnet", "--accumulate", "129"), "1 <= accumulate <= 128"),
    (("retrain", "resnet", "--scale", "11"), "-10 <= scale <= 10"),
    (("retrain", "resnet", "--branches", "fusd"), "did you mean 'fused'"),
    (("retrain", "resnet", "--workers", "129"), "1 <= workers <= 128"),
    (("retrain", "resnet", "--address", "auto"), "add --workers N"),
    (("status", "nope"), "no run 'nope'"),
    (("space", "space.yaml", "--set", "symbols=1"), "symbols"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_one_clear_message_and_exit_code_2(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad input never ends in a traceback, and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("formulanas.data.catalogue.TIMEOUT_SECONDS", 0.001)
    (tmp_path / "space.yaml").write_text(TINY_SPACE)
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_debug_shows_the_traceback() -> None:
    """--debug lets the error through."""
    assert isinstance(invoke("--debug", "show", "resnt").exception, Exception)


@pytest.mark.usefixtures("few_images")
def test_a_retraining_is_kept_and_not_repeated(command: Command, tmp_path: Path) -> None:
    """Trained once, with its result on disk; again is an error that names --resume, which prints the same result."""
    arguments = ["retrain", "x[n] = x[n-1] + F[n](x[n-1])", "--epochs", "1", "--backbone", "cifar-resnet-8", "--json"]
    result = command(*arguments)
    assert result.exit_code == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert (outcome["epochs"], outcome["test_images"]) == (1, 100)
    assert 0 < outcome["top1"] < outcome["top5"] <= 1
    folder = tmp_path / outcome["folder"]
    assert {path.name for path in folder.iterdir()} >= {"retrain.yaml", "result.json", "weights.pt", "metrics.jsonl"}
    assert not list(folder.glob("checkpoint*"))
    again = command(*arguments)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert json.loads(command(*arguments, "--resume").stdout) == outcome
    assert read_json(folder / "result.json") == {"schema": 2, **outcome}
    assert json.loads(command("show", outcome["folder"], "--json").stdout)["params"] == outcome["params"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["show", "--help"],
        ["paths", "resnet", "--blocks", "5"],
        ["show", "resnet"],
        ["atlas"],
        ["data"],
        ["status", "--help"],
    ],
)
def test_what_needs_no_network_loads_no_torch(arguments: list[str]) -> None:
    """Help and analysis answer at once."""
    code = f"import sys; sys.argv = ['formulanas', *{arguments}]\nfrom formulanas.cli.main import run\ntry: run()\nexcept SystemExit: pass\n"
    check = "heavy = {'torch', 'optuna', 'ray', 'sqlalchemy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    result = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", [None, *OPTIONS])
def test_help_answers_at_once(name: str | None) -> None:
    """The help of a command imports nothing that only its work needs."""
    arguments = [name, "--help"] if name else ["--help"]
    code = f"import sys; sys.argv = ['formulanas', *{arguments}]\nfrom formulanas.cli.main import run\ntry: run()\nexcept SystemExit: pass\n"
    check = "sys.exit(str({'torch', 'rich', 'optuna', 'numpy', 'scipy', 'pydantic', 'yaml'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert result.stderr == "set()\n"
    assert result.stdout.startswith("Usage: ")


@pytest.mark.parametrize("after", ["finished", "interrupted"])
def test_a_watched_status_is_one_object(after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --watch and --json, when the run ends, whether it has its leaderboard or was stopped."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "tiny"
    run.mkdir(parents=True)
    (run / "study.yaml").write_text("schema: 1\ntrials: 5\n")
    lock, looks = ExitStack(), []

    def sleep(_: float) -> None:
        looks.append(1)
        if len(looks) == 2:
            lock.close()
            if after == "finished":
                (run / "leaderboard.json").write_text("{}")
        assert len(looks) < 4

    monkeypatch.setattr("time.sleep", sleep)
    lock.enter_context(locked(run))
    result = invoke("status", "--watch", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == [after]
    assert len(looks) == 2


def test_the_version_is_printed() -> None:
    """--version names the installed package's version."""
    assert re.search(r"\d+\.\d+\.\d+", invoke("--version").stdout)


def test_every_backbone_is_shown() -> None:
    """Each named backbone takes the residual formula."""
    for name in BACKBONES:
        assert shown("show", "resnet", "--backbone", name)["params"] > 0  # type: ignore[operator]
