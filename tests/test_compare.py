"""Comparisons: the ranks and tests of published tables, intervals over seeds, and what is never compared silently."""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isclose, sqrt
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from model_folders import keep_model, retraining
from scipy import stats

from formulanas.cli.main import main
from formulanas.compare.compare import compare_table, compare_targets
from formulanas.compare.results import read_results
from formulanas.errors import InputError
from formulanas.formula.published import published
from formulanas.recipe import recipe
from formulanas.statistics.differences import difference, differences
from formulanas.statistics.friedman import Ranking, friedman
from formulanas.statistics.scores import Scores

LIAO_TABLE_1 = """method,cifar10_top1,cifar10_top5,cifar100_top1,cifar100_top5,imagenet_top1,imagenet_top5
ResNet18,94.32,99.76,76.60,93.36,68.63,88.58
ResNet18s,94.70,99.80,76.57,93.41,68.51,88.41
ResNet34,94.75,99.78,77.09,93.27,72.14,90.42
ResNet34s,95.10,99.88,77.48,93.77,72.38,90.77
ResNet50,95.00,99.88,78.37,94.26,75.13,92.36
ResNet50s,95.29,99.85,78.65,94.32,75.40,92.52
ResNet101,94.89,99.83,77.67,93.79,76.51,92.96
ResNet101s,95.01,99.86,78.56,93.86,76.73,93.20
"""
LIAO_TABLE_2 = """method,cifar10_top1,cifar100_top1,method_s,cifar10_top1_s,cifar100_top1_s
SEResNet18,95.29,78.71,SEResNet18s,95.47,78.65
SEResNet34,95.58,79.05,SEResNet34s,95.86,80.15
"""


@pytest.fixture
def liao(tmp_path: Path) -> Path:
    """Table 1 of 2108.08689."""
    return written(tmp_path, LIAO_TABLE_1)


def written(folder: Path, text: str) -> Path:
    """A CSV file that holds `text`."""
    path = folder / "table.csv"
    path.write_text(text)
    return path


def invoke(*arguments: str) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(main, ["compare", *arguments])


def table(*rows: Sequence[float]) -> Scores:
    """A table of methods a, b, c, ... from their values."""
    columns = tuple(f"d{place}" for place in range(len(rows[0])))
    return Scores(tuple("abcdefghij"[: len(rows)]), columns, tuple(tuple(map(float, row)) for row in rows))


def ranking_of(path: Path, columns: Sequence[str] = (), alpha: float = 0.05) -> Ranking:
    """The ranking of a file."""
    ranking = compare_table(path, columns, higher=["all"], alpha=alpha).ranking
    assert ranking is not None
    return ranking


def test_the_top1_columns_of_liao_give_the_hand_counted_statistics(liao: Path) -> None:
    """Ranks counted by hand over three data sets; chi2, F and CD by Demsar's formulas; q of 8 methods is 3.031."""
    ranking = ranking_of(liao, ["top1"])
    assert ranking.average_ranks == pytest.approx([22 / 3, 23 / 3, 6, 4, 11 / 3, 5 / 3, 11 / 3, 2])
    assert ranking.chi2 == pytest.approx(18.111111, abs=1e-6)
    assert ranking.chi2_p_value == pytest.approx(0.0114786, rel=1e-4)
    assert ranking.f == pytest.approx(12.538462, abs=1e-6)
    assert ranking.p_value == pytest.approx(4.5804e-5, rel=1e-4)
    assert ranking.dof == (7, 14)
    assert ranking.critical_difference == pytest.approx(6.061757, abs=1e-5)
    assert not ranking.ties


def test_what_liao_may_claim_of_the_top1_columns(liao: Path) -> None:
    """The greatest difference is 23/3 - 5/3 = 6, under 6.06 at 0.05; at 0.10 the CD is 5.56, under 6 and 17/3 = 5.67."""
    assert ranking_of(liao, ["top1"]).significant_pairs == []
    loose = ranking_of(liao, ["top1"], 0.10)
    assert loose.critical_difference == pytest.approx(5.559767, abs=1e-5)
    assert set(loose.significant_pairs) == {
        ("ResNet50s", "ResNet18s"),
        ("ResNet50s", "ResNet18"),
        ("ResNet101s", "ResNet18s"),
    }


def test_all_columns_of_liao_tie_once(liao: Path) -> None:
    """99.88 twice shares ranks 1 and 2; without the correction for it chi2 would be 33.069 and F 18.515."""
    ranking = ranking_of(liao)
    assert ranking.average_ranks == pytest.approx(
        [7.333333, 7.166667, 6.5, 3.916667, 3.083333, 2.166667, 3.666667, 2.166667], abs=1e-6
    )
    assert ranking.ties
    assert ranking.chi2 == pytest.approx(33.135189, abs=1e-6)
    assert ranking.chi2_p_value == pytest.approx(2.498e-5, rel=1e-3)
    assert ranking.f == pytest.approx(18.689168, abs=1e-6)
    assert ranking.dof == (7, 35)
    assert ranking.critical_difference == pytest.approx(4.286309, abs=1e-5)
    losers = ("ResNet18", "ResNet18s", "ResNet34")
    assert set(ranking.significant_pairs) == {(best, worse) for best in ("ResNet50s", "ResNet101s") for worse in losers}


@pytest.mark.parametrize(
    ("alpha", "quantiles"),
    [  # Table 4 of 2108.08689 (Demsar's table 5), which prints 2.334 for 2.3437
        (0.05, {3: 2.3437, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}),
        (0.10, {3: 2.052, 4: 2.291, 5: 2.459, 6: 2.589, 7: 2.693, 8: 2.780, 9: 2.855, 10: 2.920}),
    ],
)
def test_critical_differences_are_those_of_the_printed_quantiles(alpha: float, quantiles: dict[int, float]) -> None:
    """CD = q sqrt(k (k + 1) / (6 N))."""
    for k, q in quantiles.items():
        ranking = friedman(table(*([row, -row, row] for row in range(k))), alpha)
        assert ranking.critical_difference == pytest.approx(q * sqrt(k * (k + 1) / 18), rel=5e-4)


cells = st.integers(0, 4).map(float)


@given(st.integers(3, 6).flatmap(lambda k: st.lists(st.lists(cells, min_size=k, max_size=k), min_size=2, max_size=6)))
def test_friedman_agrees_with_the_general_formula(columns: list[list[float]]) -> None:
    """chi2 = (k - 1) sum_j (R_j - N (k+1)/2)^2 / (sum of squared ranks - N k (k+1)^2 / 4), Conover, with any ties."""
    if all(len(set(column)) == 1 for column in columns):
        return
    ranks = [[sum(o > v for o in column) + (1 + column.count(v)) / 2 for v in column] for column in columns]
    n, k = len(columns), len(columns[0])
    sums = [sum(row[j] for row in ranks) for j in range(k)]
    spread = sum(rank**2 for row in ranks for rank in row) - n * k * (k + 1) ** 2 / 4
    chi2 = (k - 1) * sum((each - n * (k + 1) / 2) ** 2 for each in sums) / spread
    ranking = friedman(table(*zip(*columns, strict=True)))
    assert ranking.average_ranks == pytest.approx([each / n for each in sums])
    assert isclose(ranking.chi2, chi2, rel_tol=1e-9, abs_tol=1e-9)
    if ranks.count(ranks[0]) < n:
        assert isclose(ranking.f, (n - 1) * chi2 / (n * (k - 1) - chi2), rel_tol=1e-6, abs_tol=1e-9)
        assert isclose(ranking.p_value, 1 - stats.f.cdf(ranking.f, k - 1, (k - 1) * (n - 1)), abs_tol=1e-9)
    else:
        assert ranking.f == inf


def test_data_sets_that_rank_alike_give_an_infinite_f_and_no_infinity_in_json(tmp_path: Path) -> None:
    """chi2 = N (k - 1) = 4 leaves nothing in the denominator of F; one of the 3! orders comes again with p = 1/6."""
    path = written(tmp_path, "m,d,e\na,1,1\nb,2,2\nc,3,3\n")
    ranking = ranking_of(path)
    assert ranking.chi2 == pytest.approx(4)
    assert (ranking.f, ranking.p_value) == (inf, 1 / 6)
    assert json.loads(invoke("--table", str(path), "--higher", "all", "--json").stdout)["F"] is None
    tied = friedman(table([1, 1, 1], [1, 1, 1], [2, 2, 2]))  # 3 orders
    assert tied.p_value == pytest.approx(1 / 9)


MISTAKES = [
    ("m,d,e\na,1,2\nb,3,4\n", "3 <= methods must hold for Friedman's test, but got 2 (a, b)"),
    ("m,d\na,1\nb,3\nc,4\n", "2 <= data sets must hold for Friedman's test, but got 1 (d)"),
    ("m,d,e\na,1,2\nb,,4\nc,1,2\n", "there is none (line 3, b, column d, of "),
    ("m,d,e\na,1,2\nb,x,4\nc,1,2\n", "got 'x' (line 3, b, column d, of "),
    ("m,d,e\na,1,2\nb,nan,4\nc,1,2\n", "got 'nan' (line 3, b, column d, of "),
    ("m,d,e\na,1,2\nb,4\nc,1,2\n", "line 3 has 2"),
    ("m,d,e\na,1,2\na,4,3\nc,1,2\n", "'a' stands in line 2 and line 3"),
    ("m,d,d\na,1,2\nb,4,3\nc,1,2\n", "'d' stands 2 times"),
    ("m,d,e\na,1,2\n,4,3\nc,1,2\n", "that of line 3 is empty"),
    ("m,d,e\na,1,2\nb,1,2\nc,1,2\n", "nothing to rank"),
    ("m,d,e\na,x,y\nb,x,y\n", "has none beside 'm'"),
    ("m,d,e\n", "has 1 lines"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_in_a_table_is_named_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    """The law, the value, the line and the column; exit code 2."""
    result = invoke("--table", str(written(tmp_path, text)), "--higher", "all")
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stdout == ""


def test_a_missing_cell_outside_of_the_chosen_columns_does_no_harm(tmp_path: Path) -> None:
    """--columns leaves it out."""
    path = written(tmp_path, "m,d_top1,e_top1,f_top5\na,1,2,\nb,3,4,x\nc,5,6,1\n")
    assert ranking_of(path, ["top1"]).average_ranks == (3, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "targets or a --table"),
        (("resnet", "--table", "x.csv"), "give one of the two"),
        (("--table", "nowhere.csv"), "no file nowhere.csv"),
        (("--table", "table.csv", "--alpha", "1.5"), "0 < alpha < 1"),
        (("--table", "table.csv", "--columns", "top2"), "no column of numbers 'top2'"),
        (("--table", "table.csv", "--mixed"), "--mixed is about"),
        (("--table", "table.csv", "--plot", "x.jpg"), "ends in .png or .svg"),
        (("resnet", "plain", "--lower", "top1"), "--lower and --higher are about a --table"),
        (("resnet", "plain", "--transpose"), "--transpose"),
        (("resnet", "plain"), "no finished retraining of resnet"),
        (("resnt", "plain"), "did you mean 'resnet'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_message(
    arguments: tuple[str, ...], words: str, liao: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and nothing on standard output."""
    monkeypatch.chdir(liao.parent)
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr


def test_paired_seeds_give_the_interval_of_their_differences() -> None:
    """Differences 4, 5 and 6: mean 5, half width 4.303 / sqrt(3) = 2.484; p from scipy's paired test."""
    a, b = {0: 54.0, 1: 65.0, 2: 76.0}, {2: 70.0, 0: 50.0, 1: 60.0}
    found = difference("a", "b", "d", a, b, 0.05)
    assert (found.test, found.n, found.mean) == ("paired", (3, 3), 5)
    assert [found.low, found.high] == pytest.approx([2.516, 7.484], abs=1e-3)
    assert found.p_value == pytest.approx(stats.ttest_rel([54, 65, 76], [50, 60, 70]).pvalue)
    assert found.is_significant
    assert difference("b", "a", "d", b, a, 0.05) == found


def test_seeds_that_do_not_match_give_the_interval_of_welch() -> None:
    """The interval and p of scipy's test with unequal variances."""
    a, b = [5.0, 7.0, 9.5], [4.0, 4.2, 3.9, 4.4]
    found = difference("a", "b", "d", dict(enumerate(a)), dict(enumerate(b)), 0.10)
    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(0.90)
    assert (found.test, found.n) == ("welch", (3, 4))
    assert (found.low, found.high, found.p_value) == pytest.approx((low, high, test.pvalue))
    assert difference("a", "b", "d", dict(enumerate(a)), dict(enumerate(a, 3)), 0.10).test == "welch"


def test_one_seed_tells_nothing() -> None:
    """Without a second seed there is no interval, and no claim."""
    found = difference("a", "b", "d", {0: 50.0}, {0: 40.0, 1: 41.0}, 0.05)
    assert (found.test, found.low, found.is_significant) == ("single", None, False)


def test_several_differences_hold_together() -> None:
    """Three pairs share alpha: each interval is that of a third of it."""
    values = {
        name: {"d": {0: start, 1: start + 1, 2: start + 3}} for name, start in (("a", 1.0), ("b", 2.5), ("c", 9.0))
    }
    values["c"]["d"][1] = 9.2
    found = differences(values, 0.06)
    assert [(each.first, each.second) for each in found] == [("b", "a"), ("c", "a"), ("c", "b")]
    gaps = np.array([9 - 1, 9.2 - 2, 12 - 4])
    half = stats.t.ppf(0.99, 2) * gaps.std(ddof=1) / sqrt(3)
    assert found[1].high == pytest.approx(gaps.mean() + half)


RECIPES = {"a": recipe("cifar"), "b": replace(recipe("cifar"), weight_decay=0.1)}
DIGESTS = {name: each.digest for name, each in RECIPES.items()}


def retrained(folder: Path, formula: str, seed: int, top1: float, **facts: Any) -> str:
    """The folder of a finished retraining, as `retrain` leaves it."""
    label = "-".join(str(each) for each in (facts.get("name", formula).replace(" ", "")[:20], *facts.values(), seed))
    facts["recipe"] = RECIPES[facts.get("recipe", "a")]
    settings = retraining(formula, **{"dataset": "cifar10", "seed": seed} | facts)
    return str(keep_model(folder / label, settings, top1))


def test_two_methods_are_compared_over_their_seeds(tmp_path: Path) -> None:
    """Gaps of 4, 5 and 6 points by seed on one data set; the sentence claims what the interval allows."""
    folders = [retrained(tmp_path, "resnet", seed, 0.5 + 0.1 * seed) for seed in range(3)]
    folders += [retrained(tmp_path, "resnet-s", seed, 0.54 + 0.11 * seed) for seed in range(3)]
    comparison = compare_targets([*folders, folders[0]])
    assert comparison.ranking is None
    assert comparison.statements() == [
        "resnet-s is better than resnet on cifar10_top1 (+5.00 points, 95 % interval +2.52 to +7.48, "
        "paired by seed, n = 3)."
    ]
    document = json.loads(invoke(*folders, "--json").stdout)
    assert document["values"] == {"resnet": {"cifar10_top1": 60}, "resnet-s": {"cifar10_top1": 65}}
    assert (document["chi2"], document["significant_pairs"]) == (None, None)
    assert document["differences"][0]["significant"]
    assert "seeds are compared" in invoke(*folders, "--plot", str(tmp_path / "x.svg")).stderr


def test_three_methods_on_two_data_sets_are_ranked_by_their_means(tmp_path: Path) -> None:
    """Means over seeds on each data set, whatever their number; top-5 is left out unless it is chosen."""
    for dataset in ("cifar10", "cifar100"):
        retrained(tmp_path, "plain", 0, 0.5, dataset=dataset)
        retrained(tmp_path, "resnet", 0, 0.4, dataset=dataset)
        retrained(tmp_path, "resnet", 1, 0.7, dataset=dataset)
        retrained(tmp_path, "resnet-s", 0, 0.6, dataset=dataset)
    ranking = compare_targets([str(tmp_path)]).ranking
    assert ranking is not None
    ranks = dict(zip(ranking.methods, ranking.average_ranks, strict=True))
    assert ranks == {"plain": 3, "resnet": 2, "resnet-s": 1}
    assert compare_targets([str(tmp_path)], ["top5"]).scores.columns == ("cifar10_top5", "cifar100_top5")


def test_a_method_without_a_data_set_is_named(tmp_path: Path) -> None:
    """Ranks need every cell."""
    for formula in ("plain", "resnet", "resnet-s"):
        retrained(tmp_path, formula, 0, 0.5)
    retrained(tmp_path, "plain", 0, 0.5, dataset="cifar100")
    with pytest.raises(InputError, match="but resnet has none on cifar100_top1"):
        compare_targets([str(tmp_path)])


def test_recipes_are_never_mixed_silently(tmp_path: Path) -> None:
    """Refused with both names; --mixed keeps them apart as methods, says so, and averages nothing over them."""
    folders = [retrained(tmp_path, "resnet", 0, 0.5), retrained(tmp_path, "plain", 0, 0.4, recipe="b")]
    with pytest.raises(InputError, match=rf"cifar {DIGESTS['a']} \(.*\) and cifar {DIGESTS['b']} .*--mixed"):
        compare_targets(folders)
    result = invoke(*folders, "--mixed")
    assert result.exit_code == 0, result.output
    assert f"recipes differ on cifar10, such as cifar {DIGESTS['a']}" in result.stdout
    folders.append(retrained(tmp_path, "resnet", 0, 0.9, recipe="b"))
    assert read_results(folders, mixed=True).scores().methods == (
        f"resnet {DIGESTS['a']}",
        "plain",
        f"resnet {DIGESTS['b']}",
    )


def test_recipes_may_differ_between_data_sets(tmp_path: Path) -> None:
    """Ranks are within a data set."""
    for formula in ("plain", "resnet", "resnet-s"):
        retrained(tmp_path, formula, 0, 0.5 + len(formula) / 100)
        retrained(tmp_path, formula, 0, 0.6 + len(formula) / 100, dataset="imagenet", recipe="b")
    assert compare_targets([str(tmp_path)]).note == ""


def test_names_tell_methods_apart(tmp_path: Path) -> None:
    """The published name whatever the folder says; the backbone where there are two; the formula where names are one."""
    resnet = published("resnet").formula
    folders = [
        retrained(tmp_path, resnet, 0, 0.5, name="0123456789ab"),
        retrained(tmp_path, "resnet", 0, 0.6, backbone_name="resnet18"),
    ]
    assert read_results(folders).scores().methods == ("resnet cifar-resnet-20", "resnet resnet18")
    twice = ["x[n] = x[n-1] + 0.5 * F[n](x[n-1])", "x[n] = x[n-1] + 0.25 * F[n](x[n-1])"]
    folders = [retrained(tmp_path / str(each), text, 0, 0.5, name="run:best") for each, text in enumerate(twice)]
    assert read_results(folders).scores().methods == tuple(f"run:best: {text}" for text in twice)


def test_a_seed_counts_once(tmp_path: Path) -> None:
    """The same method and seed in two folders is an error that names both."""
    folders = [retrained(tmp_path / place, "resnet", 0, 0.5) for place in ("a", "b")]
    with pytest.raises(InputError, match=r"seed 0 of resnet on cifar10 stands in .*a.* and .*b.*"):
        compare_targets(folders)


def test_a_name_stands_for_its_retrainings_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in runs/retrained and those of searches; unfinished ones are named as such when they are asked for."""
    monkeypatch.chdir(tmp_path)
    retrained(Path("runs/retrained"), "resnet", 0, 0.5)
    retrained(Path("runs/first/retrain"), published("resnet").formula, 1, 0.6, name="first:best")
    retrained(Path("runs/retrained"), "plain", 0, 0.4)
    keep_model(Path("runs/retrained/half"), retraining("plain"), None)
    values = read_results(["resnet", "plain"]).values
    assert values["resnet"]["cifar10_top1"] == {0: 50, 1: 60}
    assert list(values) == ["resnet", "plain"]
    with pytest.raises(InputError, match="--resume"):
        read_results(["runs/retrained/half", "plain"])
    with pytest.raises(InputError, match="2 <= methods"):
        read_results(["resnet"])


def test_the_sentence_says_what_may_be_claimed(liao: Path, tmp_path: Path) -> None:
    """All are not alike, but no two can be told apart; who is better than whom; nothing at all."""
    assert compare_table(liao, ["top1"]).statements()[0].startswith("The methods are not all alike over 3 data sets")
    assert (
        "differ by 6.00 at most, less than the critical difference of 6.06"
        in invoke("--table", str(liao), "--columns", "top1").stdout
    )
    assert compare_table(liao).statements()[0].endswith("No other two (22 pairs) can be told apart.")
    nothing = written(tmp_path, "m,d,e\na,1,3\nb,2,2\nc,3,1\n")
    assert compare_table(nothing, higher=["all"]).statements()[0].startswith("No difference may be claimed")


def test_measures_of_one_data_set_are_no_independent_columns(liao: Path) -> None:
    """Top-1 and top-5 of CIFAR-10 together are noted; top-1 alone is not."""
    assert "cifar10_top1 and cifar10_top5 are of one data set" in compare_table(liao).note
    assert compare_table(liao, ["top1"]).note == ""


def test_json_has_the_contract_s_keys(liao: Path) -> None:
    """With the values of the ranking."""
    document = json.loads(invoke("--table", str(liao), "--columns", "top1", "--json").stdout)
    assert document["average_ranks"]["ResNet101s"] == 2
    assert (document["dof"], document["significant_pairs"]) == ([7, 14], [])
    assert document["chi2"] == pytest.approx(18.1111, abs=1e-4)
    assert document["F"] == pytest.approx(12.5385, abs=1e-4)
    assert document["p_value"] == pytest.approx(4.58e-5, rel=1e-3)
    assert document["critical_difference"] == pytest.approx(6.0618, abs=1e-4)


def test_bars_join_the_methods_that_cannot_be_told_apart(liao: Path) -> None:
    """By hand over six columns, CD 4.286: from 2.17 up to 3.92, and from 3.08 up to 7.33, which is 4.25 apart."""
    spans = ranking_of(liao).cliques
    assert spans == [pytest.approx((2.1667, 3.9167), abs=1e-3), pytest.approx((3.0833, 7.3333), abs=1e-3)]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_figure_is_written(ending: str, liao: Path) -> None:
    """Drawn over the ranks of the table, as SVG or PNG."""
    path = liao.with_name(f"ranks.{ending}")
    assert invoke("--table", str(liao), "--plot", str(path)).exit_code == 0
    if ending == "svg":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    else:
        assert path.read_bytes().startswith(b"\x89PNG")
