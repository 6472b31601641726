"""The tables of the papers: their figures, the runs behind them, what is done of them, and shortened versions."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from model_folders import keep_model
from published_counts import TABLE_8

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbones import backbone
from formulanas.cli.main import main
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.recipe import recipe
from formulanas.records import read_json, read_yaml, write_text
from formulanas.reproduce.page import list_lines, table_lines
from formulanas.reproduce.reproduce import reproduce
from formulanas.reproduce.runs import Asked, Run, shortening
from formulanas.reproduce.state import reproduction
from formulanas.reproduce.tables import Column, Figure, Network, Row, Table, Training, find_table, tables
from formulanas.retrain.settings import Options, settle
from formulanas.store.models import read_model
from formulanas.store.targets import resolve

NETWORKS = {row.name: row.network for table in tables().values() for row in table.rows if row.network}

# Millions of parameters: Abdi and Nahavandi, 1609.05672, tables I to IV and the counts of its code; He et al.,
# 1512.03385, table 6 (19.4); the Keras example and its accumulated form; Xie et al., 1611.05431, table 7.
COUNTS = {
    "resnet 110": "1.728",
    "resnet 1202": "19.4",
    "pre-resnet 24": "0.293",
    "pre-resnet 68": "1.047",
    "pre-resnet 110": "1.728",
    "pre-resnet 164": "1.703",
    "pre-resnet 1001": "10.33",
    "wide-resnet 28, w=10": "36.5",
    "multi-resnet 8, k=23": "1.702",
    "multi-resnet 14, k=10": "1.713",
    "multi-resnet 8, k=4": "0.297",
    "multi-resnet 20, k=4": "1.075",
    "multi-resnet 30, k=4": "1.778",
    "multi-resnet 200, k=5": "10.187",
    "multi-resnet 398, k=5": "20.388",
    "multi-resnet 26, k=2, w=10": "72.4",
    "multi-resnet 26, k=4, w=10": "144.9",
    "ImageNet pre-resnet 34": "21.80",
    "ImageNet pre-resnet 200": "64.67",
    "ImageNet multi-resnet 18, k=2": "22.68",
    "ImageNet multi-resnet 101, k=2": "84.25",
    "Keras ResNet32v1": "0.467946",
    "Keras Accumulated": "0.469066",
    "ResNeXt-29, 8x64d": "34.4",
    "ResNeXt-29, 16x64d": "68.2",
}
WITHOUT_BACKBONE: set[str] = set()
# The rows of Liao et al., 2108.08689, in the order of its table 8, and their forms s
LIAO = "ResNet18 ResNet34 ResNet50 ResNet101 SEResNet18 SEResNet34 SEResNet50 SEResNet101 ResNeXt2 ResNeXt4 Res2NeXt2 Res2NeXt4"


def num_params(name: str, num_classes: int) -> int:
    """The parameters of a network of the tables."""
    network = NETWORKS[name]
    image = (3, 224, 224) if num_classes == 1000 else (3, 32, 32)
    return Architecture(bind_formula(network.formula), backbone(network.backbone), image, num_classes).plan.num_params


@pytest.mark.parametrize("name", sorted(set(COUNTS) - WITHOUT_BACKBONE))
def test_each_name_means_the_published_network(name: str) -> None:
    """Formula and backbone together have the published parameters."""
    digits = len(COUNTS[name].partition(".")[2])
    assert f"{num_params(name, 1000 if 'ImageNet' in name else 10) / 1e6:.{digits}f}" == COUNTS[name]


@pytest.mark.parametrize(("name", "counts"), list(zip(LIAO.split(), TABLE_8.values(), strict=True)))
def test_each_name_of_liao_means_the_network_of_table_8(name: str, counts: tuple[int, float, int, float]) -> None:
    """To the last parameter, for the network and its form s."""
    assert (num_params(name, 100), num_params(f"{name}s", 100)) == counts[::2]


def test_what_cannot_be_run_is_said() -> None:
    """Exactly the networks whose backbone has no name are impossible, and the page says so."""
    assert set(COUNTS) | {name + s for name in LIAO.split() for s in ("", "s")} == set(NETWORKS)
    runs = [run for table in tables().values() for run in Asked().select(table)]
    assert {run.network for run in runs if run.obstacle} == WITHOUT_BACKBONE
    for run in runs:
        if run.obstacle:
            assert run.obstacle == f"no backbone is named {run.backbone_name}"


def test_table_2_is_the_mean_of_tables_5_to_7() -> None:
    """On CIFAR, truncated to two digits (2108.08689); SEResNet18 and Res2NeXt4s on CIFAR-10 are the paper's slips."""
    slips = {}
    singles = [{row.name: row for row in find_table(f"liao-{number}").rows} for number in (5, 6, 7)]
    for row in find_table("liao-2").rows:
        for column, figure in row.figures.items():
            if column.dataset != "imagenet":
                mean = sum(round(100 * each[row.name].figures[column].value) for each in singles) / 300
                if math.floor(100 * mean + 1e-9) != round(100 * figure.value) and abs(mean - figure.value) > 0.0051:
                    slips[row.name, column.dataset] = figure.value
    assert slips == {("SEResNet18", "cifar10"): 95.29, ("Res2NeXt4s", "cifar10"): 96.09}


def test_figures_of_the_abstracts() -> None:
    """Multi-residual: 3.73 % and 19.45 %, five runs 4.35 % and 20.42 %; the cited rows have no network."""
    rows = {row.name: row for row in find_table("multiresnet-3").rows}
    ten, hundred = Column("cifar10", "top1"), Column("cifar100", "top1")
    assert rows["multi-resnet 26, k=4, w=10"].figures[ten].value == 3.73
    assert rows["multi-resnet 26, k=2, w=10"].figures[hundred].value == 19.45
    assert rows["multi-resnet 200, k=5"].figures == {ten: Figure(4.36, 0.04, 4.35), hundred: Figure(20.44, 0.15, 20.42)}
    assert rows["NIN"].network is None
    crops = {row.name: row for row in find_table("multiresnet-4").rows}
    deep, multi = crops["ImageNet pre-resnet 200"].figures, crops["ImageNet multi-resnet 101, k=2"].figures
    gains = [deep[Column("imagenet", m)].value - multi[Column("imagenet", m)].value for m in ("top1", "ten_crop")]
    assert gains == [pytest.approx(0.13), pytest.approx(0.22)]  # as its text says


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("liao-1", 8 * (3 + 3 + 1)),
        ("liao-2", 16 * (3 + 3) + 8),
        ("liao-6", 16 * 2),
        ("multiresnet-1", 4),
        ("multiresnet-2", 6 * 5),
        ("multiresnet-3", (3 * 5 + 7) + (3 * 5 + 6)),
        ("multiresnet-4", 4),
        ("accumulated-1", 2),
        ("resnext-7", 2 * 2 * 10),
    ],
)
def test_runs_are_networks_by_data_sets_by_seeds(name: str, count: int) -> None:
    """By hand, each once; Table III has no figure of pre-resnet 110 on CIFAR-100."""
    runs = Asked().select(find_table(name))
    assert len(set(runs)) == len(runs) == count


def test_tables_5_to_7_share_their_runs_with_table_2() -> None:
    """The three seeds together are the CIFAR runs of Table 2."""
    thirds = {run for number in (5, 6, 7) for run in Asked().select(find_table(f"liao-{number}"))}
    assert thirds == {run for run in Asked().select(find_table("liao-2")) if run.dataset != "imagenet"}


def test_the_first_runs_are_the_networks_under_one_seed() -> None:
    """So that a limit leaves something to compare."""
    runs = Asked(limit=9).select(find_table("liao-1"))
    assert [run.network for run in runs[:3]] == ["ResNet18", "ResNet18s", "ResNet34"]
    assert [(run.dataset, run.seed) for run in runs] == [("cifar10", 1)] * 8 + [("cifar10", 2)]
    assert all(run.ten_crops for run in Asked().select(find_table("multiresnet-4")))
    assert not any(run.ten_crops for run in runs)


def test_recipes_beside_the_tables() -> None:
    """The accumulated networks train for the first 50 of 200 epochs; 1609.05672 adds Nesterov, jitter and lighting."""
    (short,) = {run.recipe for run in Asked().select(find_table("accumulated-1"))}
    assert short == replace(recipe("cifar-accumulated"), epochs=50)
    (large,) = {run.recipe for run in Asked().select(find_table("multiresnet-4"))}
    assert large == replace(recipe("imagenet"), nesterov=True, jitter=0.4, lighting=0.1)


def test_a_shortened_version_is_marked_and_has_another_recipe() -> None:
    """Fewer epochs have another digest, other images another data set; --epochs of the paper is no other version."""
    table = find_table("liao-1")
    full, short = Asked().select(table), Asked(epochs=2).select(table)
    assert not {run.recipe.digest for run in full} & {run.recipe.digest for run in short}
    assert shortening(full) == ""
    assert shortening(short) == "2 epochs instead of 90 or 200"
    assert shortening(Asked(epochs=200, dataset="cifar10").select(table)) == ""
    embedded = Asked(dataset="cifar10-mini").select(table)
    assert {run.dataset for run in embedded} == {"cifar10-mini"}
    assert {run.column_dataset for run in embedded} == {"cifar10"}
    assert shortening(embedded) == "cifar10-mini in place of cifar10"


ERROR = Column("cifar10", "top1")
TINY = Table(
    "tiny",
    "A paper, Table 0",
    "error",
    {"cifar10": Training("small.yaml", (1, 2))},
    (
        Row("A", {ERROR: Figure(7.0, 0.1)}, Network("resnet", "cifar-resnet-8")),
        Row("B", {ERROR: Figure(7.0, 0.1)}, Network("resnet-s", "cifar-resnet-8")),
        Row("C", {ERROR: Figure(9.0)}),
    ),
)
SMALL = "epochs: 4\nbatch_size: 500\n"


def keep(run: Run, top1: float | None, **facts: object) -> Path:
    """The documents of a retraining as it writes them; without a result, it was begun only."""
    ten_crops = run.ten_crops or None
    options = Options(run.backbone_name, run.dataset, run.recipe_name, run.epochs, run.seed, ten_crops=ten_crops)
    settled = settle(resolve(run.formula), options)
    return keep_model(settled.folder, settled.settings, top1, **facts)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A table of two networks under two seeds, in a folder of its own, also known to the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("formulanas.reproduce.tables.tables", lambda: {"tiny": TINY})
    write_text(Path("small.yaml"), SMALL)
    return TINY


def test_ours_stands_beside_the_papers(tiny: Table) -> None:
    """Errors of 10 and 12 % against 7: mean 11, deviation sqrt(2), difference +4; begun and missing runs count none."""
    a1, b1, a2, b2 = Asked().select(tiny)
    keep(a1, 0.90), keep(a2, 0.88), keep(b1, None)
    now = reproduction(tiny, Asked())
    assert {state: now.count(state) for state in ("done", "begun", "missing")} == {"done": 2, "begun": 1, "missing": 1}
    first, second, cited = now.cells
    assert first.values == pytest.approx((10, 12))
    assert (first.mean, first.deviation, first.difference) == pytest.approx((11, math.sqrt(2), 4))
    assert (second.mean, second.deviation, second.difference) == (None, None, None)
    assert (cited.network, cited.values) == ("C", ())
    assert ["A", "7.00", "±", "0.10", "11.00", "±", "1.41", "2", "+4.00"] in [line.split() for line in table_lines(now)]
    assert "SHORTENED" not in "\n".join(table_lines(now))
    assert b2.seed == 2
    assert "tiny               4    2" in "\n".join(list_lines([now]))


def test_shortened_runs_are_never_mixed_with_full_ones(tiny: Table) -> None:
    """Neither counts as the other, and every shortened difference carries its mark."""
    keep(Asked(epochs=1).select(tiny)[0], 0.5)
    keep(Asked(dataset="cifar10-mini").select(tiny)[0], 0.6)
    assert reproduction(tiny, Asked()).count("done") == 0
    short = reproduction(tiny, Asked(epochs=1))
    assert short.cells[0].values == pytest.approx((50,))
    text = "\n".join(table_lines(short))
    assert "SHORTENED: 1 epoch instead of 4. Not the experiment of the paper" in text
    assert "+43.00*" in text
    assert short.to_json()["shortened"] == short.to_json()["list"][0]["shortened"] == "1 epoch instead of 4"
    assert reproduction(tiny, Asked(dataset="cifar10-mini")).cells[0].values == pytest.approx((40,))


def test_another_backbone_or_formula_is_another_run(tiny: Table) -> None:
    """What is found is found by what it is, not by how its folder is called."""
    run = Asked().select(tiny)[0]
    keep(replace(run, formula="x[n] = relu(F[n](x[n-1]) + x[n-1])"), 0.9).rename("runs/retrained/elsewhere")
    assert reproduction(tiny, Asked()).count("done") == 1
    keep(replace(run, backbone_name="cifar-resnet-20", seed=2), 0.9)
    keep(replace(run, formula="plain", seed=2), 0.9)
    assert reproduction(tiny, Asked()).count("done") == 1


def test_a_run_without_ten_crops_does_not_stand_for_one_with_them(tiny: Table) -> None:
    """It is missing, and to be trained; one that was tested by ten crops has the figure of one crop too."""
    cells = {Column("imagenet", "top1"): Figure(20.0), Column("imagenet", "ten_crop"): Figure(19.0)}
    row = Row("A", cells, Network("resnet", "cifar-resnet-8"))
    crops = replace(tiny, datasets={"imagenet": Training("imagenet", (1,))}, rows=(row,))
    (run,) = Asked().select(crops)
    single = replace(crops, rows=(replace(row, figures=dict([*cells.items()][:1])),))
    folder = keep(replace(run, ten_crops=False), 0.75)
    assert reproduction(crops, Asked()).count("missing") == 1
    assert reproduction(single, Asked()).count("done") == 1
    with pytest.raises(InputError, match=r"ten_crops: False, but asked for is True; .* move that folder away"):
        reproduce(crops, Asked())
    shutil.rmtree(folder)
    keep(run, 0.75, ten_crop_top1=0.76)
    assert [cell.values for cell in reproduction(crops, Asked()).cells] == [pytest.approx((25,)), pytest.approx((24,))]
    assert reproduction(single, Asked()).count("done") == 1


def test_what_cannot_be_read_is_named_and_passed_over(tiny: Table, caplog: pytest.LogCaptureFixture) -> None:
    """A torn document and one of a newer version do not hide what stands beside them."""
    keep(Asked().select(tiny)[0], 0.9)
    for name, text in {"newer": "schema: 99", "torn": "[]"}.items():
        write_text(Path("runs/retrained") / name / "retrain.yaml", text)
    result = CliRunner().invoke(main, ["reproduce", "tiny", "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["runs"]["done"] == 1
    newer, torn = caplog.messages
    assert newer.startswith("runs/retrained/newer is passed over: runs/retrained/newer/retrain.yaml has the schema 99")
    assert "torn/retrain.yaml must hold a mapping" in torn


def test_the_time_left_is_the_work_at_the_speed_so_far(tiny: Table) -> None:
    """Three runs of equal work are left after one of 100 s; nothing is known before."""
    a1 = Asked(networks=("A",)).select(tiny)[0]
    assert reproduction(tiny, Asked()).seconds_left is None
    keep(a1, 0.9, seconds=100, macs=a1.macs)
    assert reproduction(tiny, Asked(networks=("A",))).seconds_left == pytest.approx(100)
    assert reproduction(tiny, Asked(limit=1)).seconds_left == 0


@pytest.mark.usefixtures("few_images")
def test_missing_runs_are_trained_once(tiny: Table) -> None:
    """By `--run`, first run first, each kept as soon as it is done; the same command trains nothing twice."""
    command = ["reproduce", "tiny", "--dataset", "cifar10-mini", "--epochs", "1", "--limit", "1", "--run", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["runs"] == {"total": 1, "done": 1, "begun": 0, "missing": 0, "impossible": 0}
    assert document["shortened"] == "1 epoch instead of 4, cifar10-mini in place of cifar10"
    (folder,) = Path("runs/retrained").iterdir()
    assert document["list"][0]["folder"] == str(folder)
    (cell,) = document["cells"]
    assert cell["mean"] == pytest.approx(100 * (1 - read_json(folder / "result.json")["top1"]))
    settings = read_yaml(folder / "retrain.yaml")
    assert (settings["seed"], settings["dataset"], settings["recipe"]["epochs"]) == (1, "cifar10-mini", 1)
    whole = read_json(Path("runs/reproduce/tiny-cifar10-mini-1-epochs.json"))
    assert (whole["runs"]["done"], whole["runs"]["missing"]) == (1, 3)
    assert whole["shortened"] == document["shortened"]
    again = CliRunner().invoke(main, command)
    assert json.loads(again.stdout) == document
    assert "run 1" not in again.stderr
    listed = CliRunner().invoke(main, ["reproduce", "--json"])
    assert json.loads(listed.stdout)["tables"][0]["runs"]["done"] == 0


def test_a_run_of_an_older_recipe_is_not_taken_for_this_one(tiny: Table) -> None:
    """The folder of a named recipe may hold a result from before the recipe was changed."""
    named = replace(tiny, datasets={"cifar10": Training("cifar", (1,))})
    run = Asked(limit=1, dataset="cifar10-mini").select(named)[0]
    folder = keep(run, None)
    settings = read_model(folder).settings
    keep_model(folder, replace(settings, recipe=replace(run.recipe, weight_decay=0.1)), 0.9)
    with pytest.raises(
        InputError, match=r"recipe.weight_decay: 0.1, but asked for is 0.0005; .* move that folder away"
    ):
        reproduce(named, Asked(limit=1, dataset="cifar10-mini"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("liao-3",), "did you mean 'liao-"),
        (("liao-1", "--network", "ResNet18x"), "did you mean 'ResNet18"),
        (("multiresnet-1", "--dataset", "cifar100"), "the data sets of multiresnet-1 are cifar10, but got cifar100"),
        (("multiresnet-4", "--dataset", "cifar10-mini"), "cifar10-mini stands in for cifar10"),
        (("--run",), "reproduce takes a table with these options"),
        (("liao-1", "--run", "--data-dir", "nowhere"), "no data directory nowhere"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["reproduce", *arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_looking_loads_no_torch(tmp_path: Path) -> None:
    """The list and a table answer at once."""
    for argument in ("", "'liao-1'"):
        code = f"import sys; sys.argv = ['formulanas', 'reproduce', {argument}]\nfrom formulanas.cli.main import run\ntry: run()\nexcept SystemExit: pass\nsys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True).returncode == 0
