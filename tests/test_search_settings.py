"""What a space file may ask of a search beside its formula, each run for real: objectives, budgets, an arm, a ranking."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tiny_search import Command, command_in, leaderboard, trials

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.records import from_mapping
from formulanas.search.confirmation import choose
from formulanas.search.screening.costs import measure, memory
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import resolve_proxy
from formulanas.search.space.settings import Budget, ConfirmSettings, ProxySettings, SearchSettings
from formulanas.statistics.leaderboard import rank
from formulanas.store.runs import Run, with_changes
from formulanas.store.trials import TrialRecord

SHORT = ("--set", "confirm.seeds=2", "--set", "confirm.top=1", "--set", "proxy.recipe.epochs=2")


def run(folder: Path, name: str, *settings: str) -> Command:
    command = command_in(folder)
    arguments = [part for setting in settings for part in ("--set", setting)]
    result = command("search", "space.yaml", "--name", name, *SHORT, *arguments)
    assert result.exit_code == 0, result.stderr
    return command


def completed(number: int, value: float, **facts: Any) -> TrialRecord:
    """A trial that was trained to its end."""
    known: dict[str, Any] = {"formula": "", "key": str(number), "params": 1, "macs": 1, "seconds": 1.0}
    return TrialRecord(number, "COMPLETE", value, **(known | facts))


def test_several_objectives_have_true_states(tmp_path: Path) -> None:
    """Under halving a stopped trial is PRUNED without values; a completed one has its accuracy, parameters, latency."""
    run(tmp_path, "o", "search.objectives=[accuracy, params, latency]", "search.pruner=halving", "search.trials=7")
    study = optuna.load_study(
        study_name="search", storage=JournalStorage(JournalFileBackend(f"{tmp_path}/runs/o/study.journal"))
    )
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    documents = {trial["number"]: trial for trial in trials(tmp_path, "o")}
    trained = [trial for trial in study.trials if documents[trial.number]["seconds"] is not None]
    assert {trial.state.name for trial in trained} == {"COMPLETE", "PRUNED"}
    for trial in trained:
        document = documents[trial.number]
        if trial.state.name == "PRUNED":
            assert trial.values is None
            assert len(document["epochs"]) == 1
            assert "stopped after epoch 1 by the halving pruner" in str(document["reason"])
        else:
            assert trial.values[0] == trial.intermediate_values[2]
            assert trial.values[1] == document["params"]
            assert trial.values[2] == document["latency"] > 0
    rows = leaderboard(tmp_path, "o")["rows"]
    assert any(row["front"] for row in rows)


def test_the_pareto_front_by_hand() -> None:
    """Of (0.9, 10), (0.8, 5), (0.7, 7) the third is beaten in both; the first two are not."""
    done = [completed(at, value, params=params) for at, (value, params) in enumerate([(0.9, 10), (0.8, 5), (0.7, 7)])]
    assert [row.front for row in rank(done, [], {})] == [True, True, False]


def test_what_exceeds_a_measured_limit_is_not_trained(tmp_path: Path) -> None:
    """Every network keeps more than a byte: all are PRUNED with the figure but the points, which are no winners."""
    command = command_in(tmp_path)
    settings = ("--set", "limits.memory=1", "--set", "search.trials=4", "--set", "search.sampler=random")
    result = command("search", "space.yaml", "--name", "m", *SHORT, *settings)
    assert result.exit_code == 2
    assert "no trial of m that keeps the limits completed" in result.stderr
    found = [trial for trial in trials(tmp_path, "m") if trial["duplicate_of"] is None]
    points, others = ([each for each in found if bool(each["point"]) == is_point] for is_point in (True, False))
    assert [trial["state"] for trial in points] == ["COMPLETE"] * 2
    assert all(f"a memory of {trial['memory']:,.4g} bytes" in str(trial["beyond"]) for trial in points)
    assert {trial["state"] for trial in others} == {"PRUNED"}
    assert not any(trial["epochs"] for trial in others)
    measured = [trial for trial in others if "a memory of" in str(trial["reason"])]
    assert len(measured) > 10
    assert all(trial["memory"] for trial in measured)
    assert json.loads(command("status", "m", "--json").stdout)["best"] is None


def test_the_best_is_within_the_limits() -> None:
    """A baseline beyond them comes last whatever its accuracy, and is on no front; the confirmation's top leaves it out."""
    facts = [(0.9, "big", "7 parameters"), (0.8, None, None), (0.7, "small", None)]
    done = [completed(at, value, point=point, beyond=beyond) for at, (value, point, beyond) in enumerate(facts)]
    rows = rank(done, [], {})
    assert [(row.trial, row.front) for row in rows] == [(1, True), (2, False), (0, False)]
    chosen = choose(done, ConfirmSettings(top=1, points=1, seeds=1), Backbone((4,), (1,)))
    assert [each.key for each in chosen] == ["1", "0"]


def test_memory_of_one_relu_network_by_hand() -> None:
    """What training keeps of a convolution, a norm, a relu and a linear layer is at least their inputs, in bytes."""
    architecture = Architecture(bind("x[n] = F[n](x[n-1])"), Backbone((4,), (1,)), (3, 8, 8), 10)
    network = build(architecture, 0)
    image, state = 3 * 8 * 8 * 4, 4 * 8 * 8 * 4
    # kept: the image, each convolution's output (three, for the norms), two relu outputs, and the head's few numbers
    kept = memory(network, torch.randn(2, 3, 8, 8))
    assert image + 5 * state <= kept <= image + 9 * state


def test_what_is_measured_is_left_as_it_was() -> None:
    """Measuring latency and memory moves no weight, no running statistic of a norm, and no chance."""
    network = build(Architecture(bind("x[n] = x[n-1] + F[n](x[n-1])"), Backbone((4,), (1,)), (3, 8, 8), 10), 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert any("running_mean" in name for name in before)
    chance = torch.get_rng_state()
    assert set(measure(("latency", "memory"), network, torch.ones(2, 3, 8, 8))) == {"latency", "memory"}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance)
    assert network.training


def test_every_candidate_has_the_budget(tmp_path: Path) -> None:
    """With blocks as a symbol and a budget, all trials have 6,000 parameters to 2 %, whatever their depth."""
    space = tmp_path / "space.yaml"
    command = command_in(tmp_path)
    space.write_text(
        """
formula: "x[n] = relu(x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k)))"
symbols: {k: [1, 2], blocks: [1, 2]}
points: {resnet: {k: 1, blocks: 1}}
proxy: {dataset: cifar10-mini, backbone: {widths: [8, 16], depths: [1, 1], stem_stride: 4}, recipe: {epochs: 1, batch_size: 250}}
search: {trials: 4}
budget: {params: 6_000}
confirm: {top: 1, seeds: 1, factor: 1.0}
"""
    )
    result = command("search", "space.yaml", "--name", "b", "--workers", "1")
    assert result.exit_code == 0, result.stderr
    found = trials(tmp_path, "b")
    assert len({trial["key"] for trial in found}) == 4
    assert all(trial["params"] == pytest.approx(6_000, rel=0.02) for trial in found)
    best = leaderboard(tmp_path, "b")["best"]
    shown = json.loads(command("show", "b", "--json").stdout)
    assert shown["params"] == best["params"]


def test_a_random_arm_and_a_ranking(tmp_path: Path) -> None:
    """The arm has a study of its own; of each two proposals the predictor's second is PRUNED untrained, with the reason."""
    run(tmp_path, "r", "confirm.random_arm=true", "search.rank_by=synflow", "search.rank_of=2", "search.trials=4")
    arm = Run(tmp_path / "runs/r/random-arm")
    assert (arm.folder / "study.journal").is_file()
    assert sum(trial["seconds"] is not None for trial in trials(tmp_path, "r/random-arm")) == 4
    assert any("synflow puts trial" in str(trial["reason"]) for trial in trials(tmp_path, "r"))
    audit = leaderboard(tmp_path, "r")["audit"]
    assert audit["random_arm"]["n"] == 2
    assert set(audit["predictors"]) <= {"params", "macs", "growth", "path_length", "grad_norm", "synflow", "naswot"}


def test_the_differentiable_sampler_keeps_its_list(tmp_path: Path) -> None:
    """After the points, the bindings nearest to the learned coefficients are trained; the list is in the run's folder."""
    run(tmp_path, "d", "search.sampler=differentiable", "search.trials=4")
    listed = json.loads((tmp_path / "runs/d/differentiable.json").read_text())["bindings"]
    proposed = [trial["values"] for trial in trials(tmp_path, "d") if trial["point"] is None]
    assert proposed
    assert all(values in listed for values in proposed)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (SearchSettings, {"objectives": ["params"]}, "the first objective is accuracy"),
        (SearchSettings, {"objectives": ["accuracy", "flops"]}, "unknown|no objective"),
        (Budget, {"params": 1, "macs": 1}, "not of both"),
        (Budget, {"params": 0}, "1 <= params"),
    ],
)
def test_settings_say_what_is_wrong(kind: type, settings: dict[str, object], words: str) -> None:
    """Each mistake is named with its place."""
    with pytest.raises(InputError, match=words):
        from_mapping(kind, settings, "")


def test_a_trial_of_other_blocks_is_another_architecture() -> None:
    """The key has the number of blocks, and the backbone is the proxy's with that depth."""
    space = SpaceDocument(bind_formula("resnet").text, {"blocks": [1, 3]}, {"one": {"blocks": 1}}).space
    assert space.key({"blocks": 1}) != space.key({"blocks": 3})
    base = Backbone((8, 16), (2, 2))
    assert space.backbone({"blocks": 3}, base).depths == (3, 3)
    assert with_changes(base, {"depths": [3, 3]}).depths == (3, 3)


def test_a_proxy_is_of_images_that_fit_in_memory() -> None:
    """ImageNet is refused before anything is trained."""
    with pytest.raises(InputError, match="fit in memory"):
        resolve_proxy(ProxySettings(dataset="imagenet"), None)
