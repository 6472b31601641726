"""Tables as people write them: the numbers in their cells, what is better in their columns, and which way they lie."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from formulanas.cli.main import main
from formulanas.compare.columns import choose, direction
from formulanas.compare.compare import compare_table
from formulanas.compare.numbers import is_ambiguous, read_number
from formulanas.compare.table import read_table
from formulanas.errors import InputError

LIAO_TABLE_2 = """method,cifar10_top1,cifar100_top1,method_s,cifar10_top1_s,cifar100_top1_s
SEResNet18,95.29,78.71,SEResNet18s,95.47,78.65
SEResNet34,95.58,79.05,SEResNet34s,95.86,80.15
"""
LIAO_COLUMNS = [f"{data}_{measure}" for data in ("cifar10", "cifar100", "imagenet") for measure in ("top1", "top5")]


def written(folder: Path, text: str) -> Path:
    """A CSV file that holds `text`."""
    path = folder / "table.csv"
    path.write_text(text)
    return path


def invoke(*arguments: str) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(main, ["compare", *arguments])


def ranks(path: Path, **options: object) -> dict[str, float]:
    """The average rank of each method."""
    ranking = compare_table(path, **options).ranking  # type: ignore[arg-type]
    assert ranking is not None
    return dict(zip(ranking.methods, ranking.average_ranks, strict=True))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("95.1", 95.1), ("95", 95), (".951", 0.951), ("95.", 95), ("-1.5", -1.5), ("+2", 2), ("1e-3", 0.001)],
        *[("95.1 ± 0.2", 95.1), ("95.1±0.2", 95.1), ("95.1 +- 0.2", 95.1), ("95.1 +/- 0.2", 95.1)],
        *[("95.1(2)", 95.1), ("95.1 (0.2)", 95.1), (".763 (4)", 0.763), ("95.1 [94.9, 95.3]", 95.1)],
        *[("95.1%", 95.1), ("95.1 %", 95.1), ("95.1 ± 0.2 %", 95.1), ("95.1% ± 0.2%", 95.1)],
        *[("1,234.5", 1234.5), ("11,220,132", 11220132), ("1,234,567.25", 1234567.25)],
        *[("\u22121.5", -1.5), ("**95.1**", 95.1), (r"$95.1 \pm 0.2$", 95.1)],
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    """What stands before a spread, with its sign, its exponent and its thousands."""
    number = read_number(text)
    assert number is not None
    assert number[0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "-", "x", "1.7M", "3x3", "nan", "inf", "1_000", "12-31", "95.1.2", "0x10", "3,4,6"]
)
def test_what_is_no_number(text: str) -> None:
    """Sizes with units, ranges, lists and what only a computer calls a number."""
    assert read_number(text) is None
    assert not is_ambiguous(text)


@pytest.mark.parametrize("text", ["95,1", "1,234", "95,1 %", "95,1 ± 0,2", "-0,5"])
def test_a_comma_of_decimals_is_refused(text: str, tmp_path: Path) -> None:
    """Whether 1,234 is more than 2 depends on the country: the cell and its place, and no value."""
    assert read_number(text) is None
    result = invoke("--table", str(written(tmp_path, f'm,a_acc,b_acc\nx,1,"{text}"\ny,2,3\nz,3,4\n')))
    assert result.exit_code == 2
    assert f"decimals have a point, but {text!r} may be" in result.stderr
    assert "line 2, x, column b_acc" in result.stderr


def test_percent_is_in_all_cells_or_in_none(tmp_path: Path) -> None:
    """0.951 and 95.1 % beside each other are not ranked by their digits."""
    with pytest.raises(InputError, match="a_acc has percent in line 3, and not everywhere"):
        read_table(written(tmp_path, "m,a_acc\nx,0.951\ny,95.2%\n"))
    assert read_table(written(tmp_path, "m,a_acc\nx,95.1%\ny,95.2 %\n"))[0].values == ((95.1,), (95.2,))


def test_columns_with_spreads_are_ranked_and_no_column_is_dropped_in_silence(tmp_path: Path) -> None:
    """Three data sets with spreads in all of the common ways; what has no numbers is said, with an example."""
    text = "m,params,a_acc,b_acc,c_acc\nx,1.7M,95.1 ± 0.2,1(2),7%\ny,2M,94.9 +- 0.1,2(2),8%\nz,,90,3(1),9%\n"
    scores, notes = read_table(written(tmp_path, text))
    assert scores.columns == ("a_acc", "b_acc", "c_acc")
    assert scores.values == ((95.1, 1, 7), (94.9, 2, 8), (90, 3, 9))
    assert notes == ["left out params, which has no numbers: 1.7M"]
    assert "left out params" in invoke("--table", str(tmp_path / "table.csv")).stdout


@pytest.mark.parametrize(
    ("way", "names"),
    [
        ("lower", ["error", "top1_err", "Top-1 error", "val loss", "WikiText perplexity", "ppl", "enwik8_bpb", "MAE"]),
        ("lower", ["rmse", "FID ↓", "seconds", "params", "MACs", "latency", "train_memory", "min_top1_error", "x↓"]),
        ("higher", ["accuracy", "acc", "top1", "cifar10_top5", "Top-1", "AUC", "f1", "mAP", "mIoU", "BLEU ↑", "x ↑"]),
        (None, ["cifar10", "errand", "accent", "roadmap", "loss of accuracy", "adult", "n", "x"]),
    ],
)
def test_what_a_name_says_of_the_direction(way: str | None, names: list[str]) -> None:
    """Whole words alone, an error before its top-1; a data set's name and contradictions say nothing."""
    assert {name: direction(name) for name in names} == dict.fromkeys(names, way)


def test_ranks_turn_over_with_the_direction(tmp_path: Path) -> None:
    """X has the highest accuracies and the lowest errors, and is the best of both."""
    path = written(tmp_path, "m,a_top1,a_err\nx,90,10\ny,80,20\nz,70,30\n")
    assert ranks(path) == {"x": 1, "y": 2, "z": 3}
    assert ranks(path, lower=["top1"]) == {"x": 2, "y": 2, "z": 2}
    assert ranks(path, lower=["top1"], higher=["err"]) == {"x": 3, "y": 2, "z": 1}
    result = invoke("--table", str(path))
    assert "less is better in a_err\nmore is better in a_top1\n" in result.stdout


def test_a_direction_that_nothing_says_is_asked_for(tmp_path: Path) -> None:
    """The refusal names the columns and how to say it; the option is for all of them, or for some."""
    path = written(tmp_path, "m,adult,breast,car_acc\nx,9,9,9\ny,8,8,8\nz,7,7,7\n")
    refused = invoke("--table", str(path))
    assert refused.exit_code == 2
    assert "in adult, breast is not in the name" in refused.stderr
    assert "--higher all or --lower all" in refused.stderr
    assert ranks(path, higher=["all"]) == {"x": 1, "y": 2, "z": 3}
    assert ranks(path, lower=["all"]) == pytest.approx({"x": 7 / 3, "y": 2, "z": 5 / 3})  # the name of car_acc stays
    assert ranks(path, lower=["adult", "breast", "car"]) == {"x": 3, "y": 2, "z": 1}
    assert ranks(path, lower=["adult"], higher=["all"]) == pytest.approx({"x": 5 / 3, "y": 2, "z": 7 / 3})
    with pytest.raises(InputError, match="'adult' is in --lower and --higher"):
        compare_table(path, lower=["adult"], higher=["adult", "breast"])
    with pytest.raises(InputError, match="'all' is in --lower and --higher"):
        compare_table(path, lower=["all"], higher=["all"])
    with pytest.raises(InputError, match=r"did you mean 'adult'\? \(--lower\)"):
        compare_table(path, lower=["adul"], higher=["all"])


@pytest.mark.parametrize(
    ("columns", "wanted", "chosen"),
    [
        (LIAO_COLUMNS, ["cifar10"], ["cifar10_top1", "cifar10_top5"]),
        (LIAO_COLUMNS, ["imagenet_top5", "cifar100_top1"], ["cifar100_top1", "imagenet_top5"]),
        (LIAO_COLUMNS, ["TOP-1"], ["cifar10_top1", "cifar100_top1", "imagenet_top1"]),
        (["a_top1", "a_top1_err", "b_top1"], ["top1"], ["a_top1", "b_top1"]),
        (["a_top1", "a_top1_err", "b_top1"], ["err"], ["a_top1_err"]),
        (["a_top1", "a_top1_err", "b_top1"], ["a"], ["a_top1", "a_top1_err"]),
        (["top1", "a top1"], ["top1"], ["top1"]),
        (["a top 1", "a top 10"], ["top1"], ["a top 1"]),
    ],
)
def test_columns_are_chosen_by_whole_words(columns: list[str], wanted: list[str], chosen: list[str]) -> None:
    """cifar10 is not cifar100, an accuracy is not its error, and a whole name is that column alone."""
    assert choose(columns, wanted) == chosen


@pytest.mark.parametrize(
    ("wanted", "nearest"), [("cifar", "cifar10"), ("top2", "top1"), ("", "top1"), ("cifar10_top", "'cifar10_top")]
)
def test_a_word_of_no_column_lists_the_nearest(wanted: str, nearest: str) -> None:
    """A part of a word is none."""
    with pytest.raises(InputError, match=f"no column of numbers '{wanted}'.*{nearest}"):
        choose(LIAO_COLUMNS, [wanted])


def test_tables_side_by_side_are_one(tmp_path: Path) -> None:
    """Table 2 of 2108.08689 prints the s-forms beside their bases: four methods, two columns."""
    scores, notes = read_table(written(tmp_path, LIAO_TABLE_2))
    assert scores.methods == ("SEResNet18", "SEResNet34", "SEResNet18s", "SEResNet34s")
    assert scores.columns == ("cifar10_top1", "cifar100_top1")
    assert scores.values == ((95.29, 78.71), (95.58, 79.05), (95.47, 78.65), (95.86, 80.15))
    assert notes == []


@pytest.mark.parametrize("heading", ["dataset", "Data set", "data", "Task", "benchmark", "x"])
def test_a_table_with_a_data_set_a_row_is_refused_or_turned(heading: str, tmp_path: Path) -> None:
    """By its first column's name, or by rows that are data sets that we know; its methods are the columns."""
    path = written(tmp_path, f"{heading},resnet,plain,densenet\nCIFAR-10,95,90,93\nCIFAR-100,75,70,80\n")
    refused = invoke("--table", str(path), "--higher", "all")
    assert refused.exit_code == 2
    assert "seem to be data sets" in refused.stderr
    assert "--transpose" in refused.stderr
    assert ranks(path, higher=["all"], transpose=True) == {"resnet": 1.5, "plain": 3, "densenet": 1.5}


def test_a_mistake_in_a_turned_table_has_its_place(tmp_path: Path) -> None:
    """The column of the file, where a method stands now."""
    path = written(tmp_path, "dataset,a,b,c\nd_acc,1,2,3\ne_acc,4,,6\n")
    with pytest.raises(InputError, match=r"there is none \(column 3, b, column e_acc, of "):
        compare_table(path, transpose=True)
    with pytest.raises(InputError, match="'d_acc' stands 2 times"):
        compare_table(written(tmp_path, "dataset,a,b,c\nd_acc,1,2,3\nd_acc,4,5,6\n"), transpose=True)
