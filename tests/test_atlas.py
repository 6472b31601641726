"""The atlas: every published architecture that has a formula parses, is built, trains, and keeps the law of paths."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from formulanas.analysis.paths import PathAlgebra
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.data.catalogue import CIFAR10
from formulanas.data.images import LabelledImages
from formulanas.errors import InputError
from formulanas.formula.bind import bind
from formulanas.formula.parse import parse
from formulanas.formula.program import lower
from formulanas.formula.published import Entry, atlas, bind_formula, published
from formulanas.formula.render import render
from formulanas.formula.unroll import unroll
from formulanas.network.network import Network, build, compile_forward
from formulanas.recipe import Recipe
from formulanas.training.training import Training

SAID = [name for name, entry in atlas().items() if not entry.reason]
ONE: list[int | float] = [1]  # the path polynomial of the stem
LINEAR = [  # the state is a sum: no gates, no joined or split channels, no shortcuts that end
    name
    for name in SAID
    if name not in ("highway", "gtrxl", "skipnet", "densenet", "rdnet", "dpn", "rir", "revnet", "hamiltonian")
    and name not in ("log-densenet", "hardnet", "nasnet", "pnasnet", "amoebanet", "darts", "revcol", "efficientnet")
]
SMALL = Backbone(widths=(8, 16), depths=(3, 2), growth=4)
IMAGE = (3, 16, 16)


def network(name: str) -> Network:
    """A small network of a published formula."""
    return build(Architecture(bind_formula(name), SMALL, IMAGE, 10), seed=0)


def test_the_atlas_has_at_least_sixty_architectures() -> None:
    """The promise of the table, and a reason for each that cannot be said."""
    assert len(SAID) >= 60
    assert all(len(entry.reason) > 10 for entry in atlas().values() if not entry.formula and not entry.same_as)


@pytest.mark.parametrize("name", SAID)
def test_a_published_formula_comes_back(name: str) -> None:
    """Its text renders and parses to itself, and its canonical text is a fixed point with its key."""
    if text := published(name).formula:
        assert parse(render(parse(text))) == parse(text)
    bound = bind_formula(name)
    assert bind(bound.text).key == bound.key


@pytest.mark.parametrize("name", SAID)
def test_a_published_architecture_is_built_and_trains_a_step(name: str) -> None:
    """It has the planned parameters, every one of which gets a finite gradient, and a step of training changes it."""
    made = network(name)
    assert sum(each.numel() for each in made.parameters()) == made.architecture.plan.num_params
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, *IMAGE), dtype=torch.uint8, generator=generator)
    data = LabelledImages(images, torch.arange(8), 10, CIFAR10.mean, CIFAR10.deviation)
    before = {each: weight.detach().clone() for each, weight in made.named_parameters()}
    (metrics,) = Training(made, data, Recipe(epochs=1, batch_size=8, learning_rate=0.01), seed=0).run()
    assert 0 < metrics.train_loss < 100
    for each, weight in made.named_parameters():
        assert weight.grad is not None, each
        assert torch.isfinite(weight.grad).all(), each
    assert any(not torch.equal(before[each], weight) for each, weight in made.named_parameters())


@pytest.mark.parametrize("name", LINEAR)
def test_the_path_polynomial_is_the_derivative(name: str) -> None:
    """P(z) is the derivative of the network's code where F is z * u, norms are identities and chance is its mean."""
    slope, even = 0.7, Backbone(widths=(8, 8), depths=(3, 2))
    made = build(Architecture(bind_formula(name), even, IMAGE, 10), seed=0).eval().double()

    def stand_in(module: str) -> object:
        if any(word in module for word in ("_learned", "_random", "_drop")):
            return made.get_submodule(module)
        return (lambda u: slope * u) if "_F" in module else (lambda u: u)

    calls = {module: stand_in(module) for module in made.architecture.plan.modules}
    functions = {each: (lambda u: u) for each in ("relu", "sigmoid", "tanh")}
    forward = compile_forward(made.source, name, functions)
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(forward(SimpleNamespace(**calls), x)[:, :1].sum(), x)
    weights = unroll(lower(bind_formula(name)), even.stages, PathAlgebra(signed=True), ONE)
    expected = sum(float(weight) * slope**length for length, weight in enumerate(weights))
    assert float(gradient) == pytest.approx(expected)


def test_random_coefficients_have_their_mean_in_evaluation() -> None:
    """Stochastic depth keeps a share of the images while training, and scales by that share afterwards."""
    made = network("stochastic-depth")
    drop = made.get_submodule("stage2_block2_drop1")  # the last of five blocks: half of the images survive
    values = torch.ones(4000, 1, 1, 1)
    kept = drop.train()(values)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept.mean().item() == pytest.approx(0.5, abs=0.04)
    assert drop.eval()(values).unique().tolist() == [0.5]


def test_swapout_draws_for_every_unit() -> None:
    """Within one image some units are kept and others dropped."""
    drop = network("swapout").get_submodule("stage1_block1_drop1").train()
    kept = drop(torch.ones(1, 8, 16, 16))
    assert 0.3 < kept.mean().item() < 0.7


def test_chance_is_a_function_of_the_seed() -> None:
    """Two trainings of one seed draw the same, and leave the global generator alone."""
    images = torch.randint(256, (8, *IMAGE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = LabelledImages(images, torch.arange(8), 10, CIFAR10.mean, CIFAR10.deviation)
    before = torch.get_rng_state()
    losses = [
        [each.train_loss for each in Training(network("shakedrop"), data, Recipe(epochs=3, batch_size=4), seed).run()]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(before, torch.get_rng_state())
    assert losses[0] == losses[1] != losses[2]


def test_a_shared_learned_coefficient_is_one() -> None:
    """The linear multi-step network weighs two states by c and 1 - c: one parameter a block, not two."""
    made = network("lm-resnet")
    learned = [name for name, _ in made.named_parameters() if "learned" in name]
    assert len(learned) == sum(SMALL.depths)


def test_constraints_hold() -> None:
    """A softmax over a sum's terms adds up to one, over those that exist at each block."""
    bound = bind('x[n] = sum(learn(0, constraint="softmax") * x[n-i], (i, 1, n)) + F[n](x[n-1]); shape = reset')
    made = build(Architecture(bound, Backbone((8,), (3,)), IMAGE, 10), seed=0)
    weights = [module() for name, module in made.named_children() if "learned" in name]
    assert [len(each) for each in weights] == [1, 2, 3]
    assert all(float(each.detach().sum()) == pytest.approx(1) for each in weights)
    kept = build(
        Architecture(bind('x[n] = x[n-1] + learn(0.2, constraint="sigmoid") * F[n](x[n-1])'), SMALL, IMAGE, 10), 0
    )
    assert float(kept.get_submodule("stage1_block1_learned1")().detach()) == pytest.approx(0.2)


def test_an_entry_that_cannot_be_said_gives_its_reason() -> None:
    """Asking for its formula is an error with the reason."""
    with pytest.raises(InputError, match="inside the transform"):
        bind_formula("senet")
    with pytest.raises(AssertionError):
        Entry("nothing", 2000, "nowhere", "memory")


def test_densenet_grows_and_compresses() -> None:
    """8 + 3 x 4 channels after stage 1; half of them, 10, enter stage 2; 10 + 2 x 4 reach the classifier."""
    made = network("densenet")
    norm, _, conv, pool = made.get_submodule("stage2_carry_x").children()
    *_, classifier = made.get_submodule("head").children()
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(pool, nn.AvgPool2d)
    assert isinstance(classifier, nn.Linear)
    assert (norm.num_features, conv.weight.shape[:2], pool.kernel_size) == (20, (10, 20), 2)
    assert classifier.in_features == 18


def twins(activation: str) -> tuple[Network, Network]:
    """Eq. (20) and eq. (21) over one stage, in float64, with the same weights; `activation` after the addition."""
    texts = (
        f"x[n] = {activation}(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])",
        f"x[n] = {activation}(x[0] + F[n](x[n-1]))",
    )
    first, second = (
        build(Architecture(bind(text), Backbone((8,), (5,)), IMAGE, 10), 3).double().eval() for text in texts
    )
    second.load_state_dict(first.state_dict())
    return first, second


def test_equations_20_and_21_are_equal_without_activations() -> None:
    """Liao et al.: eq. (20) telescopes to eq. (21); with the activation after the addition it does not."""
    images = torch.randn(4, *IMAGE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first, second = twins("identity")
    torch.testing.assert_close(first(images), second(images), rtol=1e-12, atol=1e-12)
    first, second = twins("relu")
    assert (first(images) - second(images)).abs().max() > 1e-3
    assert bind_formula("resnet-s").key != bind_formula("anchored").key


@pytest.mark.parametrize(
    "text",
    [  # what the language says and no entry above does
        "x[n] = x[n-1] + F[n](x[n-1]) + 0.5 * x[4*floor((n-1)/4)]",  # the state before the current group of four blocks
        "v[n] = 0.5 * v[n-1] + F[n](x[n-1]); x[n] = x[n-1] + v[n]; shape[v] = pad; start[v] = copy",
        'x[n] = sum(learn(1.0, constraint="sum") * x[n-i], (i, 1, 3)) + n / N * F[n](x[n-1]); start = copy',
        "x[n] = mean(x[n-i], (i, 1, n)) + F[n](bn(x[n-1] - x[n-2]))",
        "x[n] = x[n-1] + F[n](x[n-1])[:width] + sigmoid(bn(x[n-2])) * G[n](x[n-1])",
        "x[n] = x[n-1] + F[n](x[n-1]) + G[n-1](x[n-1]); G = bottleneck",
    ],
)
def test_the_rest_of_the_language_is_built_and_trains(text: str) -> None:
    """Groups of blocks, policies of single sequences, constraints, means, splits, and an earlier function applied again."""
    bound = bind(text)
    assert bind(bound.text).key == bound.key
    made = build(Architecture(bound, Backbone((8, 16), (5, 2), growth=4), IMAGE, 10), seed=0)
    made(torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    for each, weight in made.named_parameters():
        assert weight.grad is not None, each
        assert torch.isfinite(weight.grad).all(), each


def test_each_sequence_has_its_own_policy() -> None:
    """The state is projected, the velocity padded without parameters; it starts as the stem's output."""
    text = "v[n] = 0.5 * v[n-1] + F[n](x[n-1]); x[n] = x[n-1] + v[n]; shape[v] = pad; start[v] = copy"
    plan = Architecture(bind(text), Backbone((8, 16), (1, 1)), IMAGE, 10).plan
    carries = {
        name: sum(layer.num_params() for layer in layers) for name, layers in plan.modules.items() if "carry" in name
    }
    assert carries == {"stage2_carry_x": 8 * 16 + 32, "stage2_carry_s": 0}
    assert unroll(lower(bind(text)), [1], PathAlgebra(signed=True), ONE) == [1.5, 1]
