"""Steps replayed as a CUDA graph: the same training as step by step. Needs a GPU, as few machines of CI have."""

from dataclasses import replace

import pytest
import torch
from small_training import SMALL, easy

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.formula.published import bind_formula
from formulanas.network.network import build
from formulanas.recipe import Recipe
from formulanas.training.training import Training

LEARNED = 'x[n] = learn(0.5) * x[n-1] + learn(1, per="channel") * F[n](x[n-1])'


def training(replayed: bool, device: str, formula: str = "resnet-s", recipe: Recipe = SMALL) -> Training:
    """A training on images of a device."""
    architecture = Architecture(bind_formula(formula), Backbone((8, 16), (1, 1)), (3, 8, 8), 2)
    return Training(build(architecture, 7), easy(200).to(torch.device(device)), recipe, 7, replayed=replayed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records CUDA graphs")
@pytest.mark.parametrize("formula", ["resnet", "resnet-s", "accumulated", "multi-residual", LEARNED])
def test_replayed_steps_are_the_same_training(formula: str) -> None:
    """Three epochs, the last batch of each smaller: losses, accuracies and weights as without a graph, to rounding."""
    recipe = replace(SMALL, coefficient_rate=0.5)  # of learned coefficients alone
    runs = [training(replayed, "cuda", formula, recipe) for replayed in (False, True)]
    metrics = [[(each.train_loss, each.train_accuracy) for each in run.run()] for run in runs]
    assert runs[0].graph is None
    assert runs[1].graph is not None
    assert runs[1].graph.graph is not None
    assert metrics[1] == [pytest.approx(each, rel=0.02, abs=0.02) for each in metrics[0]]
    first, second = (run.network.state_dict() for run in runs)
    for name, value in first.items():
        torch.testing.assert_close(second[name].float(), value.float(), rtol=0.05, atol=0.02)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records CUDA graphs")
def test_what_cannot_be_replayed_is_not() -> None:
    """Chance, and an optimizer whose steps depend on their number, are not recorded."""
    assert training(True, "cuda", "stochastic-depth").graph is None
    lamb = Recipe(epochs=1, batch_size=16, optimizer="lamb")
    assert training(True, "cuda", recipe=lamb).graph is None


def test_without_a_gpu_nothing_is_recorded() -> None:
    """On a CPU a step is what it always was."""
    assert training(True, "cpu").graph is None
