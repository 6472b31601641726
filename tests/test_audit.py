"""The audit: orders compared, probabilities from paired draws, and predictors that see an untrained network."""

import math

import pytest
import torch

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.search.screening.predictors import PREDICTORS, predict
from formulanas.statistics.agreement import agreement
from formulanas.statistics.differences import difference

IMAGE = (3, 16, 16)
BACKBONE = Backbone((4, 8), (2, 2))


def test_kendalls_tau_by_hand() -> None:
    """Of the 10 pairs of 1 2 3 4 5 and 1 2 3 5 4 nine agree and one does not: tau = 8 / 10; the best is not shared."""
    found = agreement([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])
    assert found is not None
    assert found.tau == pytest.approx(0.8)
    assert (found.n, found.k, found.top) == (5, 1, 0)


def test_three_candidates_have_no_order_to_speak_of() -> None:
    """Fewer than four candidates, or all of one value, give no figure."""
    assert agreement([1, 2, 3], [1, 2, 3]) is None
    assert agreement([1, 1, 1, 1], [1, 2, 3, 4]) is None


def test_the_probability_of_being_better() -> None:
    """Differences 1, 2, 3: t = 2 sqrt(3) with 2 degrees of freedom, whose distribution is 1/2 + t / (2 sqrt(2 + t^2))."""
    t = 2 * math.sqrt(3)
    expected = 0.5 + t / (2 * math.sqrt(2 + t * t))
    pair = difference("a", "b", "", {0: 2, 1: 4, 2: 6}, {0: 1, 1: 2, 2: 3})
    assert pair.probability("a") == pytest.approx(expected)
    assert pair.probability("b") == pytest.approx(1 - expected)
    assert difference("b", "a", "", {0: 1, 1: 2, 2: 3}, {0: 2, 1: 4, 2: 6}) == pair
    assert difference("a", "b", "", {0: 1.0}, {0: 0.5}).probability("a") is None
    assert difference("a", "b", "", {0: 2, 1: 3}, {0: 1, 1: 2}).probability("a") == 1  # all differences are one
    assert difference("a", "b", "", {0: 1, 1: 2}, {0: 1, 1: 2}).probability("a") == 0.5


def architecture(formula: str, backbone: Backbone = BACKBONE) -> Architecture:
    return Architecture(bind_formula(formula), backbone, IMAGE, 10)


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictors_are_functions_of_their_arguments(name: str) -> None:
    """The same network, images and seed give the same number, whatever the global generator."""
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(8, *IMAGE, generator=generator), torch.arange(8)
    values = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        values.append(predict(name, architecture("resnet"), images, labels, 0))
    assert values[0] is not None
    assert values[0] == values[1]


def test_path_length_of_a_resnet() -> None:
    """Paths of four blocks weigh 1 4 6 4 1, whose mean length is 2; a plain network has one path of length 4."""
    images, labels = torch.zeros(1, *IMAGE), torch.zeros(1, dtype=torch.long)
    assert predict("path_length", architecture("resnet"), images, labels, 0) == pytest.approx(2)
    assert predict("path_length", architecture("plain"), images, labels, 0) == pytest.approx(4)


def test_synflow_of_a_chain() -> None:
    """Of positive weights on one path, each layer's weight times gradient sums to the output without the last bias."""
    small = Architecture(bind_formula("x[n] = F[n](x[n-1])"), Backbone((2,), (1,)), IMAGE, 2)
    network = build(small, 0).double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
        output = float(network(torch.ones(1, *IMAGE, dtype=torch.float64)).sum())
    bias = float(network.get_parameter("head.1.bias").detach().sum())
    num_layers = 7  # three convolutions with their norms, and the linear layer
    expected = math.log(num_layers * (output - bias) + bias)
    value = predict("synflow", small, torch.zeros(1, *IMAGE), torch.zeros(1, dtype=torch.long), 0)
    assert value == pytest.approx(expected)


def test_naswot_tells_images_apart() -> None:
    """Equal images have equal codes, whose kernel is singular; different ones do not."""
    images = torch.randn(4, *IMAGE)
    labels = torch.zeros(4, dtype=torch.long)
    assert predict("naswot", architecture("resnet"), images[:1].repeat(4, 1, 1, 1), labels, 0) is None
    assert predict("naswot", architecture("resnet"), images, labels, 0) is not None


def test_unknown_predictors_list_the_nearest() -> None:
    """A misspelt name says what was meant."""
    with pytest.raises(InputError, match="did you mean 'naswot'"):
        predict("naswott", architecture("resnet"), torch.zeros(1, *IMAGE), torch.zeros(1, dtype=torch.long), 0)
