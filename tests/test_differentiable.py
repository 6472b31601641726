"""Differentiable search: coordinates and rounding by hand, gradients in closed form, who moves what, a clear best found."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.data.augment import AugmentedImages
from formulanas.data.images import LabelledImages, split
from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.network.network import build
from formulanas.recipe import Recipe
from formulanas.search.samplers.differentiable import Supernet, SupernetEpoch, differentiable, tie, unrolled_gradients
from formulanas.search.samplers.relaxation import relaxations
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import Proxy
from formulanas.search.space.space import Domain, Range, Space

PROXY = Proxy("toy", "cpu", Backbone((4,), (2,)), Recipe(epochs=2, batch_size=32), 0.25, "", "")
HISTORY = "x[n] = F[n](x[n-1]) + sum(a[i] * x[n-i], (i, 1, p))"


def space(formula: str, **symbols: Domain) -> Space:
    """The space of a formula and the domains of its symbols."""
    return SpaceDocument(formula, symbols).space


def toy_images(number: int = 256) -> LabelledImages:
    """Noise whose brightness says which of two classes it is."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(number) % 2
    noise = torch.randint(0, 128, (number, 3, 8, 8), generator=generator)
    images = (noise + 64 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return LabelledImages(images, labels, 2, (0.35,) * 3, (0.2,) * 3)


def supernet(formula_space: Space, second_order: bool = False) -> Supernet:
    """The first supernet of a space, before its first step."""
    training, held_out = (AugmentedImages.by(PROXY.recipe, part) for part in split(toy_images(), 0.25, 0))
    return Supernet(relaxations(formula_space)[0], PROXY, training, held_out, 0, 2, second_order)


def test_the_coordinates_are_the_coefficients_with_every_count_at_its_largest() -> None:
    """A count that can be smaller adds the value 0; functions without a coefficient get one; k[1] is always 1."""
    whole = space(
        "x[n] = h(sum(F[n, j](x[n-1]), (j, 1, k)) + sum(a[i] * x[n-i], (i, 1, p)) + c * x[0])",
        k=[1, 2],
        p=[1, 2],
        a=[0.5, 1],
        c=Range(-1, 2),
        h=["relu", "identity"],
    )
    first, second = relaxations(whole)
    assert first.coordinates == {"a[1]": [0.5, 1], "a[2]": [0, 0.5, 1], "c": [-1, 0, 1, 2], "k[2]": [0, 1]}
    assert (first.choices, second.choices) == ({"h": "relu"}, {"h": "identity"})


def test_a_number_that_is_no_factor_is_a_choice() -> None:
    """An index, an exponent and a rate must be known before a network is built."""
    whole = space("x[n] = a * x[n-r] + 2**e * drop(F[n](x[n-1]), w)", a=[0, 1], r=[1, 2], e=[0, -1], w=[0, 0.5])
    assert {name for each in relaxations(whole) for name in each.choices} == {"r", "e", "w"}
    assert len(relaxations(whole)) == 8
    assert list(relaxations(whole)[0].coordinates) == ["a"]


@pytest.mark.parametrize(
    ("a1", "a2", "expected"),
    [
        # squares by hand: .01 + .04; .01 + .09; .16 + .04; .16 + .09
        (0.9, 0.2, [{"p": 1, "a[1]": 1}, {"p": 2, "a[1]": 1, "a[2]": 0.5}, {"p": 1, "a[1]": 0.5}, {"p": 2, "a[1]": 0.5, "a[2]": 0.5}]),
        (0.1, 0.2, [{"p": 0}]),  # .05, where p = 1 has .16 + .04 at least
        (0.1, 0.9, [{"p": 2, "a[1]": 0.5, "a[2]": 1}]),  # .17: only trailing terms can be left out
        (-0.4, 0, [{"p": 0}]),  # .16, where -1 has .36
    ],
)  # fmt: skip
def test_rounding_takes_the_nearest_binding(a1: float, a2: float, expected: list[dict[str, Value]]) -> None:
    """Values are rounded to the domain, and p shrinks where the trailing coefficients are nearer to nothing."""
    (relaxation,) = relaxations(space(HISTORY, p=[0, 1, 2], a=[-1, 0.5, 1]))
    assert relaxation.nearest({"a[1]": a1, "a[2]": a2}, len(expected)) == expected


def test_rounding_decides_on_functions_and_keeps_real_numbers() -> None:
    """k[2] = 0.6 is nearer to two functions; a real coefficient stays within its ends."""
    (relaxation,) = relaxations(
        space("x[n] = b * x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))", k=[1, 2], b=Range(0.0, 1.0))
    )
    assert relaxation.nearest({"k[2]": 0.6, "b": 0.25}, 1) == [{"k": 2, "b": 0.25}]
    assert relaxation.nearest({"k[2]": 0.4, "b": 1.5}, 1) == [{"k": 1, "b": 1.0}]


@given(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3), st.integers(1, 60))
def test_the_nearest_are_those_of_a_full_enumeration(numbers: list[float], count: int) -> None:
    """Against all bindings of the space, sorted by distance."""
    whole = space(HISTORY + " + c * x[0]", p=[0, 1, 2], a=[-1, 0.5, 1], c=[0, 1])
    point = dict(zip(("a[1]", "a[2]", "c"), numbers, strict=True))

    def distance(values: dict[str, Value]) -> float:
        return sum((float(values.get(name, 0)) - number) ** 2 for name, number in point.items())

    (relaxation,) = relaxations(whole)
    found = relaxation.nearest(point, count)
    assert len({tuple(sorted(each.items())) for each in found}) == len(found)
    everything = sorted(map(distance, whole.bindings()))
    assert [distance(each) for each in found] == pytest.approx(everything[:count])


def test_at_the_coordinates_of_a_binding_the_over_complete_network_is_that_of_the_binding() -> None:
    """What a binding leaves out has the coefficient 0: k = 1, p = 1 is k[2] = 0, a[2] = 0, with the same weights."""
    whole = space(
        "x[n] = relu(sum(F[n, j](x[n-1]), (j, 1, k)) + sum(a[i] * x[n-i], (i, 1, p)))", k=[1, 2], p=[1, 2], a=[-1, 1]
    )
    (relaxation,) = relaxations(whole)
    backbone = Backbone((4,), (3,))
    large = build(Architecture(relaxation.recursion, backbone, (3, 8, 8), 2), 0)
    coordinates = {"a[1]": -1.0, "a[2]": 0.0, "k[2]": 0.0}
    tie(large, [coordinates[name] for name in relaxation.coordinates])
    recursion = whole.bind({"k": 1, "p": 1, "a[1]": -1})
    small = build(Architecture(recursion, backbone, (3, 8, 8), 2), 1)
    small.load_state_dict({name: large.state_dict()[name] for name in small.state_dict()})
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(large.eval()(images), small.eval()(images))


def test_a_coefficient_is_one_parameter_for_all_blocks() -> None:
    """Two blocks read a[1], one a[2]; both learned from the middle of {0, 1, 2} and {0, 1, 2}."""
    made = supernet(space(HISTORY, p=[0, 1, 2], a=[1, 2]))
    assert made.point() == {"a[1]": 1, "a[2]": 1}
    owners = [
        name for name, each in made.network.named_parameters(remove_duplicate=False) if each is made.coefficients[0]
    ]
    assert len(owners) == 2


@pytest.mark.parametrize("second_order", [False, True])
def test_weights_learn_from_training_images_and_coefficients_from_the_held_out(second_order: bool) -> None:
    """A step of the one leaves the other as it was, to the bit, and the running statistics are the weights'."""
    made = supernet(space(HISTORY, p=[0, 1, 2], a=[-1, 1]), second_order)
    coefficients = [each.detach().clone() for each in made.coefficients]
    images, labels = next(made.training.images.batches(32, 0))
    made.training.train_step(images, labels)
    assert all(torch.equal(*pair) for pair in zip(made.coefficients, coefficients, strict=True))
    others = {name: each.clone() for name, each in made.network.state_dict().items() if "learned" not in name}
    made.coefficient_step()
    after = made.network.state_dict()
    assert all(torch.equal(after[name], each) for name, each in others.items())
    assert not any(torch.equal(*pair) for pair in zip(made.coefficients, coefficients, strict=True))


def test_coefficients_stay_between_the_least_and_the_largest_value() -> None:
    """Where the gradient leads beyond, the step ends at the border."""
    made = supernet(space("x[n] = F[n](x[n-1]) + a * x[n-1]", a=[1, 1.002]))
    for _ in range(5):
        made.coefficient_step()  # of about 0.01 each
        assert 1 <= made.point()["a"] <= 1.0021


def test_the_unrolled_gradient_in_closed_form() -> None:
    """Training loss (w - a)**2 / 2, held-out loss (w - 3)**2 / 2 + 5 a: r (w' - 3) + 5 with w' = w - r (w - a)."""
    weight, coefficient = nn.Parameter(torch.tensor([2.0])), nn.Parameter(torch.tensor([0.5]))
    (gradient,) = unrolled_gradients(
        lambda: ((weight - coefficient) ** 2 / 2).sum(),
        lambda: ((weight - 3) ** 2 / 2 + 5 * coefficient).sum(),
        [weight],
        [coefficient],
        0.1,
    )
    assert float(gradient) == pytest.approx(5 + 0.1 * (2 - 0.1 * 1.5 - 3), abs=1e-4)
    assert float(weight.detach()) == 2


NOISE = "uniform(-3, 3) * x[n-1]"


@pytest.mark.parametrize(
    ("formula", "best", "second_order"),
    [
        (f"x[n] = a * F[n](x[n-1]) + (1 - a) * {NOISE}", 1, False),
        (f"x[n] = (1 - a) * F[n](x[n-1]) + a * {NOISE}", 0, False),
        pytest.param(f"x[n] = a * F[n](x[n-1]) + (1 - a) * {NOISE}", 1, True, marks=pytest.mark.slow),
    ],
)
def test_a_coefficient_that_keeps_noise_out_is_found(formula: str, best: int, second_order: bool) -> None:
    """A state times a random number of either sign says nothing of the class, so that the residual function is best."""
    toy = space(formula, a=[0, 0.5, 1])
    found = differentiable(toy, PROXY, toy_images(), 0, second_order=second_order, epochs=8)
    assert [each["a"] for each in found] == [best, 0.5, 1 - best]


def test_supernets_race_and_the_better_choice_comes_first() -> None:
    """Of 2 supernets over 4 epochs one ends after 2: 6 epochs; then all bindings, those of the last supernet first."""
    toy = space("x[n] = h(F[n](x[n-1]) + a * x[n-1])", a=[0, 1], h=["relu", "identity"])
    epochs: list[SupernetEpoch] = []
    found = differentiable(toy, PROXY, toy_images(), 0, epochs=4, after_epoch=epochs.append)
    assert [each.metrics.epoch for each in epochs] == [1, 2, 1, 2, 3, 4]
    last = epochs[-1].choices["h"]
    assert [each["h"] == last for each in found] == [True, True, False, False]
    losses = {each.choices["h"]: each.metrics.validation_loss or math.inf for each in epochs[:4]}
    assert last == min(losses, key=losses.__getitem__)


def test_all_chance_comes_from_the_seed() -> None:
    """The same seed gives the same coefficients to the bit, another seed gives others; global chance is untouched."""
    toy, images = space(HISTORY, p=[0, 1, 2], a=[-1, 1]), toy_images()

    def coefficients(seed: int) -> list[dict[str, float]]:
        epochs: list[SupernetEpoch] = []
        differentiable(toy, PROXY, images, seed, after_epoch=epochs.append)
        return [dict(each.coefficients) for each in epochs]

    before = torch.get_rng_state()
    first = coefficients(1)
    torch.rand(7)
    assert coefficients(1) == first != coefficients(2)
    torch.set_rng_state(before)
    coefficients(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_space_without_coefficients_is_refused() -> None:
    """There is nothing that a gradient could move; nor can there be a supernet for each of infinitely many values."""
    with pytest.raises(InputError, match="needs a symbol that is a coefficient of a term"):
        relaxations(space("x[n] = h(x[n-1] + F[n](x[n-1]))", h=["relu", "identity"]))
    with pytest.raises(InputError, match=r"listed values .* \(symbols.w\)"):
        relaxations(space("x[n] = a * x[n-1] + drop(F[n](x[n-1]), w)", a=[0, 1], w=Range(0.0, 0.5)))
