"""The effective range: predictions by hand, and lesions and gradients against paths that are walked one by one."""

import json
from collections.abc import Iterable
from itertools import combinations
from math import comb
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from model_folders import keep_model, retraining
from torch import Tensor
from torch.nn import functional

from formulanas.analysis.effective_range import EffectiveRange, effective_range, predict_range
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.cli.main import main
from formulanas.data.catalogue import CIFAR10
from formulanas.data.images import LabelledImages
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.network.network import Network, build
from formulanas.training.evaluate import evaluate
from formulanas.training.lesion import (
    gradient_by_blocks,
    gradient_by_length,
    gradient_factor,
    lesions,
    residual_functions,
)
from formulanas.training.load import load_retrained

LINEAR_S = "x[n] = x[n-1] + F[n](x[n-1]) - F[n-1](x[n-2])"
SMALL = Backbone((4, 8), (1, 1), stem_stride=4)


def test_the_predicted_shares_of_a_resnet_are_binomial() -> None:
    """C(L, k) w**k over (1 + w)**L: paths of a ResNet, each function passing half of the gradient."""
    found = predict_range([comb(6, k) for k in range(7)], 0.5)
    assert found.shares == pytest.approx([comb(6, k) * 2 ** (6 - k) / 3**6 for k in range(7)])


def test_the_range_is_the_narrowest_that_holds_90_percent() -> None:
    """Of 1, 4, 6, 4, 1 sixteenths, three neighbours hold 14 at most, four hold 15; of two such, the shorter paths."""
    assert effective_range([1, 4, 6, 4, 1]) == EffectiveRange((1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16), 0, 3)
    assert effective_range([0, 5, 0]) == EffectiveRange((0, 1, 0), 1, 1)


def test_cancelled_paths_carry_nothing_and_signs_do_not_matter() -> None:
    """Only net paths count, by magnitude."""
    assert predict_range([1, 0, -3], 1).shares == (0.25, 0, 0.75)


def test_counts_beyond_floating_point_have_shares() -> None:
    """The 2**2000 paths of 2000 blocks: the same narrowest range as by exact integers."""
    counts = [comb(2000, k) for k in range(2001)]
    found = predict_range(counts, 1)
    assert sum(counts[found.shortest : found.longest + 1]) * 10 >= 9 * 2**2000
    widest_left_out = sum(counts[1000 - (found.longest - found.shortest) // 2 :][: found.longest - found.shortest])
    assert widest_left_out * 10 < 9 * 2**2000


@pytest.mark.parametrize("gradient", [[], [0.0, 0.0], [1.0, float("inf")], [float("nan")]])
def test_no_gradient_has_no_range(gradient: list[float]) -> None:
    """Nothing to share out."""
    with pytest.raises(InputError, match="positive and finite"):
        effective_range(gradient)


@pytest.mark.parametrize("weight", [0, -1, float("inf")])
def test_a_weight_is_positive(weight: float) -> None:
    """A gradient's magnitude changes by a positive factor."""
    with pytest.raises(InputError, match="0 < weight"):
        predict_range([1, 1], weight)


def network(formula: str, depths: tuple[int, ...] = (3,)) -> tuple[Network, Tensor, Tensor]:
    """A small network whose norms have seen images, in evaluation mode, with images and labels."""
    architecture = Architecture(bind_formula(formula), Backbone((4,) * len(depths), depths), (3, 8, 8), 5)
    made = build(architecture, 1)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    made.train()(images)
    return made.eval(), images, torch.arange(6) % 5


class Walk:
    """The states of a network of three blocks by hand, and steps back along them, for paths to be put together from."""

    def __init__(self, formula: str, rectified: bool) -> None:
        self.network, self.images, self.labels = network(formula)
        self.functions = [self.network.get_submodule(f"stage1_block{n}_F") for n in (1, 2, 3)]
        self.states, self.slopes, outputs = [self.network.get_submodule("stem")(self.images).detach()], [], []
        for function in self.functions:
            outputs.append(function(self.states[-1]).detach())
            inside = self.states[-1] + outputs[-1]
            self.slopes.append((inside > 0).float() if rectified else torch.ones_like(inside))
            before = outputs[-2] if len(outputs) > 1 and "F[n-1]" in bind_formula(formula).text else 0
            self.states.append((inside.relu() if rectified else inside) - before)
        last = self.states[-1].requires_grad_()
        logits = self.network.get_submodule("head")(last)
        assert torch.allclose(logits, self.network(self.images), atol=1e-5)
        loss = functional.cross_entropy(logits, self.labels, reduction="sum")
        self.start: Tensor = torch.autograd.grad(loss, last)[0]

    def f(self, n: int, gradient: Tensor) -> Tensor:
        """`gradient` through F[n], from x[n]'s side to that of x[n-1]."""
        at = self.states[n - 1].detach().requires_grad_()
        found: Tensor = torch.autograd.grad(self.functions[n - 1](at), at, gradient)[0]
        return found

    def d(self, n: int, gradient: Tensor) -> Tensor:
        """`gradient` through the activation of block n."""
        return self.slopes[n - 1] * gradient

    def residual_path(self, blocks: Iterable[int]) -> Tensor:
        """The one path of a residual network through the functions of `blocks`."""
        gradient = self.start
        for n in (3, 2, 1):
            gradient = self.d(n, gradient)
            gradient = self.f(n, gradient) if n in blocks else gradient
        return gradient


def norm(gradient: Tensor) -> float:
    """The mean over images of the norm."""
    return float(gradient.flatten(1).norm(dim=1).mean())


def test_the_gradient_by_length_of_a_resnet_is_that_of_its_eight_paths() -> None:
    """Paths through no, one, two and three of three functions, walked one by one and added up."""
    walk = Walk("resnet", rectified=True)
    expected = [
        norm(sum((walk.residual_path(each) for each in combinations((1, 2, 3), k)), torch.zeros(1, 4, 8, 8)))
        for k in range(4)
    ]
    found = gradient_by_length(walk.network, walk.images, walk.labels, 3)
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_gradient_by_length_of_eq_20_with_its_rectifiers() -> None:
    """G3 = start; G2 = D3 G3 + F3 D3 G3 goes to x2; F2 gets D2 G2 - G3, and F1 gets D1 G1 - G2, as read twice."""
    walk = Walk("resnet-s", rectified=True)
    f, d, start = walk.f, walk.d, walk.start
    two = {0: d(3, start), 1: f(3, d(3, start))}  # at x2, by length
    at_f2 = {0: d(2, two[0]) - start, 1: d(2, two[1])}
    one = {0: d(2, two[0]), 1: d(2, two[1]) + f(2, at_f2[0]), 2: f(2, at_f2[1])}
    at_f1 = {k: d(1, one[k]) - two.get(k, torch.zeros(1)) for k in one}
    zero = {0: d(1, one[0])} | {k: (d(1, one[k]) if k in one else 0) + f(1, at_f1[k - 1]) for k in (1, 2, 3)}
    found = gradient_by_length(walk.network, walk.images, walk.labels, 3)
    assert found == pytest.approx([norm(zero[k]) for k in range(4)], rel=1e-4)


def test_eq_20_without_rectifiers_has_one_path_a_length_through_the_last_functions() -> None:
    """Liao et al., eq. (12): 1, F3', F3' F2', F3' F2' F1'; the other four paths cancel."""
    walk = Walk(LINEAR_S, rectified=False)
    f, start = walk.f, walk.start
    expected = [start, f(3, start), f(2, f(3, start)), f(1, f(2, f(3, start)))]
    found = gradient_by_length(walk.network, walk.images, walk.labels, 3)
    assert found == pytest.approx([norm(each) for each in expected], rel=1e-4)


@pytest.mark.parametrize(("formula", "alive"), [("x[n] = x[n-1] + F[n](x[n-1])", 3), (LINEAR_S, 1)])
def test_sampled_paths_pass_exactly_the_chosen_blocks(formula: str, alive: int) -> None:
    """Of the three choices of one block, a residual network has a path for each, eq. (20) only through the last."""
    walk = Walk(formula, rectified=False)
    one = slice(0, 1)
    singles = [float(walk.f(n, walk.start)[one].norm()) for n in (1, 2, 3)][3 - alive :]
    singles = [single if alive == 3 else singles[0] for single in singles] + [0.0] * (3 - alive)
    draws = {gradient_by_blocks(walk.network, walk.images[one], walk.labels[one], 1, seed)[1] for seed in range(12)}
    for draw in draws:
        assert any(draw == pytest.approx(single, rel=1e-4, abs=1e-7) for single in singles)
    for single in singles:
        assert any(draw == pytest.approx(single, rel=1e-4, abs=1e-7) for draw in draws)


def test_sampled_paths_through_no_and_through_all_blocks() -> None:
    """There is one choice of each: the shortcut alone, and the path that a plain network has."""
    walk = Walk("resnet", rectified=True)
    one = slice(2, 3)
    found = gradient_by_blocks(walk.network, walk.images[one], walk.labels[one], 2, seed=0)
    assert found[0] == pytest.approx(float(walk.residual_path([])[one].norm()), rel=1e-4)
    assert found[3] == pytest.approx(float(walk.residual_path([1, 2, 3])[one].norm()), rel=1e-4)
    assert len(found) == 4


def test_a_function_that_is_applied_twice_counts_twice_by_length_and_once_by_block() -> None:
    """Poly-2 of one block, u + F(u) + F(F(u)): paths of length 0, 1 and 2, of which the block has the last two."""
    made, images, labels = network("x[n] = x[n-1] + F[n](x[n-1]) + F[n](F[n](x[n-1]))", (1,))
    function, stem = made.get_submodule("stage1_block1_F"), made.get_submodule("stem")(images).detach()
    first, second = stem.clone().requires_grad_(), function(stem).detach().requires_grad_()
    last = (stem + second + function(second)).detach().requires_grad_()
    loss = functional.cross_entropy(made.get_submodule("head")(last), labels, reduction="sum")
    (start,) = torch.autograd.grad(loss, last)
    (once,) = torch.autograd.grad(function(first), first, start)
    (inner,) = torch.autograd.grad(function(second), second, start)
    (twice,) = torch.autograd.grad(function(first), first, inner)
    expected = [norm(start), norm(once), norm(twice)]
    assert gradient_by_length(made, images, labels, 2) == pytest.approx(expected, rel=1e-4)
    both = float((once + twice)[:1].norm())
    assert gradient_by_blocks(made, images[:1], labels[:1], 1, 0)[1] == pytest.approx(both, rel=1e-4)


def test_the_factor_of_a_function_is_the_norm_behind_over_the_norm_ahead() -> None:
    """The mean over three functions of a residual network; what goes past a function does not count."""
    walk = Walk("x[n] = x[n-1] + F[n](x[n-1])", rectified=False)
    ahead, factors = walk.start, []
    for n in (3, 2, 1):
        behind = walk.f(n, ahead)
        factors.append(norm(behind) / norm(ahead))
        ahead = ahead + behind
    assert gradient_factor(walk.network, walk.images, walk.labels) == pytest.approx(sum(factors) / 3, rel=1e-4)


def test_a_lesion_is_a_residual_function_that_returns_zero() -> None:
    """The same accuracy as with the last norm's scale and shift set to zero, where F[n-1] is read again as well."""
    made, _, _ = network("resnet-s")
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (300, 3, 8, 8), generator=generator).to(torch.uint8)
    mean, deviation = CIFAR10.mean, CIFAR10.deviation
    data = LabelledImages(images, torch.zeros(300, dtype=torch.int64), 5, mean, deviation)
    logits = made(data.normalise(images)).detach()
    made.get_submodule("head.1").bias.data -= logits.mean(0)  # now it tells images apart
    data = data.select(images, (logits - logits.mean(0)).argmax(1))
    found = lesions(made, data)
    assert list(found) == ["stage1_block1", "stage1_block2", "stage1_block3"]
    assert evaluate(made, data).top1 == 1
    for block, accuracy in found.items():
        norm_after = made.get_submodule(f"{block}_F.4")
        kept = {name: tensor.clone() for name, tensor in norm_after.state_dict().items()}
        norm_after.load_state_dict({**kept, "weight": 0 * kept["weight"], "bias": 0 * kept["bias"]})
        assert evaluate(made, data).top1 == accuracy < 1
        norm_after.load_state_dict(kept)


def test_a_block_has_all_its_residual_functions_and_no_gates() -> None:
    """Two of a multi-residual block, one of a highway block; blocks in the order of stages."""
    both = residual_functions(network("multi-residual", (1, 11))[0])
    assert [len(functions) for functions in both.values()] == [2] * 12
    assert list(both) == ["stage1_block1", *(f"stage2_block{n}" for n in range(1, 12))]
    assert [len(functions) for functions in residual_functions(network("highway", (2,))[0]).values()] == [1, 1]


def retrained(folder: Path, formula: str = "resnet-s") -> Path:
    """The folder of a retraining that is done, its weights as they were drawn."""
    keep_model(folder, retraining(formula, backbone=SMALL, backbone_name="small"), None)
    made = build(Architecture(bind_formula(formula), SMALL, (3, 32, 32), 10), 5)
    made.train()(torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    torch.save(made.state_dict(), folder / "weights.pt")
    return folder


def test_a_retrained_model_is_read_back(tmp_path: Path) -> None:
    """The same weights, in evaluation mode, with the place of its data."""
    model = load_retrained(retrained(tmp_path / "model"))
    weights = torch.load(tmp_path / "model" / "weights.pt", weights_only=True)
    assert all(torch.equal(weights[name], tensor.cpu()) for name, tensor in model.network.state_dict().items())
    assert not model.network.training
    assert (model.dataset, model.data_dir) == ("cifar10-mini", Path("data"))


def test_what_is_no_retrained_model_says_so(tmp_path: Path) -> None:
    """No folder, weights that are missing, broken, or of another network."""
    with pytest.raises(InputError, match="formulanas retrain"):
        load_retrained("resnet")
    weights = retrained(tmp_path / "model") / "weights.pt"
    torch.save({}, weights)
    with pytest.raises(InputError, match="other weights"):
        load_retrained(tmp_path / "model")
    weights.write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot be read"):
        load_retrained(tmp_path / "model")
    weights.unlink()
    with pytest.raises(InputError, match="--resume"):
        load_retrained(tmp_path / "model")


@pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
def test_paths_measure_prints_and_draws(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks are the model's own; shares sum to one, and the range of the measured ones holds 90 %."""
    monkeypatch.setattr("formulanas.training.lesion.NUM_IMAGES", 100)
    monkeypatch.setattr("formulanas.training.lesion.NUM_PATH_COPIES", 20)
    folder, figure = str(retrained(tmp_path / "model")), tmp_path / name
    result = CliRunner().invoke(main, ["paths", folder, "--measure", "--plot", str(figure), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    measured = document["measured"]
    assert document["blocks"] == len(measured["lesions"]) == 2
    assert measured["images"] == 100
    for shares in measured["shares"].values():
        assert sum(shares) == pytest.approx(1)
    first, last = measured["effective_range"]["measured"]
    assert sum(measured["shares"]["measured"][first : last + 1]) >= 0.9
    assert figure.read_bytes().startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
    text = CliRunner().invoke(main, ["paths", folder, "--measure"]).stdout
    assert "stage2_block1" in text
    assert "90 %" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet", "--blocks", "3", "--measure"), "formulanas retrain"),
        (("resnet",), "--blocks"),
        (("resnet", "--blocks", "3", "--plot", "x.png"), "--measure"),
        (("resnet", "--blocks", "3", "--measure", "--plot", "x.gif"), ".png or .svg"),
        (("resnet", "--blocks", "3", "--measure", "--plot", "nowhere/x.png"), "no folder nowhere"),
    ],
)
def test_a_mistake_is_one_clear_message(arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, before anything is measured."""
    result = CliRunner().invoke(main, ["paths", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
