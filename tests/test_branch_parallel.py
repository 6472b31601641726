"""Branches on two devices: which functions move, that each works where its weights are, and that nothing else changes."""

from dataclasses import replace

import pytest
import torch
from small_training import SMALL, easy, weights
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.network.network import Network, build
from formulanas.training.branch_parallel import added_branches, split, train_on_two
from formulanas.training.training import Training

CPU, BASE, SECOND = (torch.device(name) for name in ("cpu", "cuda:0", "cuda:1"))


def network(num_functions: int, formula: str = "multi-residual") -> Network:
    """A small network, three blocks in two stages, with so many residual functions in each."""
    values = {"k": num_functions} if formula == "multi-residual" else None
    return build(Architecture(bind_formula(formula, values), Backbone((4, 8), (1, 2)), (3, 8, 8), 2), seed=3)


@pytest.mark.parametrize(("num_functions", "first"), [(2, 1), (3, 2), (4, 2)])
def test_half_of_the_functions_move(num_functions: int, first: int) -> None:
    """K / 2 each, as in the paper; of an odd number the first device keeps one more, and always the shortcut."""
    found = network(num_functions)
    split(found, torch.device("meta"))
    moved = {name.partition(".")[0] for name, each in found.named_parameters() if each.is_meta}
    names = ["F", *(f"F{j}" for j in range(2, num_functions + 1))][first:]
    places = ["stage1_block1", "stage2_block1", "stage2_block2"]
    assert moved == {f"{place}_{name}" for place in places for name in names}


def test_the_second_device_begins_before_the_first() -> None:
    """By hand: input copied, second half begun, first half computed, the sum of the second brought back."""
    found = network(4)
    split(found, CPU)
    lines = found.source.splitlines()
    assert [line.strip() for line in lines[3:10]] == [
        "v3 = elsewhere(v0, self.stage1_block1_F3, self.stage1_block1_F4)",
        "v1 = self.stage1_block1_F(v0)",
        "v2 = self.stage1_block1_F2(v0)",
        "v3_here = v3.to(v1.device, non_blocking=True)",
        "del v3",
        "v5 = v0 + v1 + v2 + v3_here",
        "del v0, v1, v2, v3_here",
    ]


@pytest.mark.parametrize("num_functions", [2, 3, 4])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_on_two_devices_is_that_on_one(num_functions: int, average: float) -> None:
    """The same losses, weights, statistics and averages, to the rounding of another order of a sum."""
    recipe = replace(SMALL, average=average)
    one, two = (Training(network(num_functions), easy(), recipe, 7) for _ in range(2))
    train_on_two(two, CPU)
    for first, second in zip(one.run(), two.run(), strict=True):
        assert first.train_loss == pytest.approx(second.train_loss, rel=1e-4)
    torch.testing.assert_close(weights(two), weights(one), rtol=1e-3, atol=1e-4)
    expected, found = (list(run.result.state_dict().values()) for run in (one, two))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


class Places(TorchDispatchMode):
    """Where convolutions work, by device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.convolutions: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):  # type: ignore[no-untyped-def]
        result = function(*arguments, **(options or {}))
        if "convolution" in str(function):
            self.convolutions.append(str(result.device))
        return result


def test_each_function_works_where_its_weights_are() -> None:
    """On two GPUs that only track devices, every operation has its inputs in one place, and the logits are on the first."""
    found = network(4)
    groups = added_branches(found.architecture.plan)
    second = {module for group in groups for module in group.modules[(len(group.modules) + 1) // 2 :]}
    split(found, CPU)
    mode = FakeTensorMode()

    def on_device(tensor: torch.Tensor, device: torch.device) -> FakeTensor:
        return FakeTensor(mode, tensor.to("meta"), device)

    tensors: dict[str, torch.Tensor] = {
        name: on_device(each, SECOND if name.partition(".")[0] in second else BASE)
        for name, each in found.state_dict().items()
    }
    images = on_device(torch.empty(4, 3, 8, 8), BASE)
    with mode, Places() as places:
        logits = functional_call(found.eval(), tensors, (images,))
    assert logits.device == BASE
    assert places.convolutions.count("cuda:1") == 3 * 2 * 2  # blocks, functions, convolutions in each
    assert places.convolutions.count("cuda:0") == 3 * 2 * 2 + 2  # and the stem, and the shortcut of stage 2


@pytest.mark.parametrize("formula", ["resnet", "resnet-s", "densenet"])
def test_without_branches_there_is_nothing_to_move(formula: str) -> None:
    """One residual function a block."""
    with pytest.raises(InputError, match="no block adds up several functions"):
        split(network(1, formula), CPU)


def test_the_average_lies_where_the_weights_are() -> None:
    """Weights that move leave an average behind that followed them where they were; a new one follows them there."""
    run = Training(network(4), easy(), replace(SMALL, average=0.9), 7)
    train_on_two(run, torch.device("meta"))
    assert run.average is not None
    places = [each.device for each in run.network.state_dict().values() if each.is_floating_point()]
    assert [each.device for each in run.average.live] == [each.device for each in run.average.kept] == places
    assert len(set(places)) == 2


def test_lamb_has_one_norm() -> None:
    """Its clipping is over all gradients."""
    with pytest.raises(InputError, match="LAMB takes one norm"):
        train_on_two(Training(network(2), easy(), replace(SMALL, optimizer="lamb"), 7), CPU)
