"""Fused residual functions: the function, gradients and statistics of the unfused ones, chosen by measurement."""

import pytest
import torch
from memory_format import laid_out
from torch import Tensor
from torch.nn import functional

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.layers import Conv
from formulanas.architecture.lines import Call, Line, Variable, WeightedSum
from formulanas.architecture.plan import Plan
from formulanas.formula.bind import bind
from formulanas.network import fusion
from formulanas.network.fusion import Measured, fuse, fuse_where_faster, fused, fused_sum, fusible, measure
from formulanas.network.network import Network, build

MULTI_RESIDUAL = "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, 3))"
WEIGHTED = "x[n] = relu(x[n-1] + F[n](x[n-1]) - 1/2 * F[n, 2](x[n-1])) - F[n-1](x[n-2])"
BACKBONES = {
    "basic": Backbone((8, 16), (2, 1)),
    "bias": Backbone((8, 16), (2, 1), conv_bias=True),
    "bottleneck": Backbone((16, 32), (2, 1), transform="bottleneck", ratio=0.5, cardinality=4),
    "preactivation": Backbone((8, 16), (2, 1), transform="preactivation", conv_bias=True),
    "preactivation_bottleneck": Backbone(
        (16, 32), (2, 1), transform="preactivation_bottleneck", ratio=0.5, cardinality=2
    ),
}


def network(formula: str = MULTI_RESIDUAL, backbone: Backbone = BACKBONES["basic"]) -> Network:
    """A network in double precision whose norms have statistics, scales and shifts of their own."""
    built = build(Architecture(bind(formula), backbone, (3, 8, 8), 10), seed=0).double()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in built.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5, generator=generator) if "var" in name else tensor.normal_(
                0.5, generator=generator
            )
    return built


def images(count: int = 6) -> Tensor:
    """Images in double precision, channels last."""
    drawn = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return drawn.contiguous(memory_format=torch.channels_last)


def copied(plain: Network) -> Network:
    """A second network with the weights and statistics of a first."""
    twin = build(plain.architecture, seed=3).double()
    twin.load_state_dict(plain.state_dict())
    return twin


def fused_twin(plain: Network) -> Network:
    """A copy of a network, in its layout, with all its groups of branches fused."""
    twin = copied(plain)
    fuse(twin, fusible(twin.architecture.plan))
    assert "fused" in twin.source
    return twin


def assert_equal(plain: Network, twin: Network) -> None:
    """All weights and statistics agree to rounding, under the same names."""
    first, second = plain.state_dict(), twin.state_dict()
    assert list(first) == list(second)
    torch.testing.assert_close(list(first.values()), list(second.values()), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("formula", [MULTI_RESIDUAL, WEIGHTED])
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_training_mode_is_the_same_function(formula: str, backbone: str, layout: torch.memory_format) -> None:
    """Logits, the gradients of every weight and of the images, and all running statistics agree to rounding."""
    plain = laid_out(network(formula, BACKBONES[backbone]), layout)
    twin = laid_out(fused_twin(plain), layout)
    outcomes = []
    for each in (plain, twin):
        batch = images().contiguous(memory_format=layout).requires_grad_()
        logits = each.train()(batch)
        functional.cross_entropy(logits, torch.arange(6)).backward()
        outcomes.append([logits, batch.grad, *(parameter.grad for parameter in each.parameters())])
    torch.testing.assert_close(*outcomes, rtol=1e-9, atol=1e-11)
    assert_equal(plain, twin)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_memory_format_is_kept(backbone: str, layout: torch.memory_format) -> None:
    """A sum lies in memory as the input does, so that no later layer has to convert it."""
    plain = laid_out(network(backbone=BACKBONES[backbone]), layout)
    modules = [plain.get_submodule(name) for name in fusible(plain.architecture.plan)[1].modules]
    value = torch.randn(2, BACKBONES[backbone].widths[0], 8, 8).double().contiguous(memory_format=layout)
    assert fused_sum(value, *modules).is_contiguous(memory_format=layout)


def test_groups_of_channels_of_the_common_input_stay_apart() -> None:
    """A grouped convolution that reads the common input directly is the same as its three parts."""
    convs = [torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4) for _ in range(3)]
    value = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(fused(value, *convs), tuple(conv(value) for conv in convs))
    torch.testing.assert_close(fused_sum(value, *convs), convs[0](value) + convs[1](value) + convs[2](value))


@pytest.mark.parametrize("formula", [MULTI_RESIDUAL, WEIGHTED])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_evaluation_mode_is_the_same_function(formula: str, backbone: str) -> None:
    """Logits agree by the running statistics of each branch, none of which change."""
    plain = network(formula, BACKBONES[backbone])
    before = copied(plain)
    twin = fused_twin(plain)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(images()), twin.eval()(images()), rtol=1e-10, atol=1e-10)
    assert_equal(before, twin)


def test_the_losses_of_a_training_are_those_of_the_unfused_one() -> None:
    """Before the first and after the first and second step, momentum and weight decay included."""
    plain = network()
    losses = []
    for each in (plain, fused_twin(plain)):
        optimizer = torch.optim.SGD(each.parameters(), 0.1, 0.9, weight_decay=1e-3)
        for _ in range(3):
            loss = functional.cross_entropy(each.train()(images()), torch.arange(6))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[:3] == pytest.approx(losses[3:], rel=1e-9)
    assert abs(losses[2] - losses[1]) > 1e-3  # the steps changed something


def test_weights_go_to_and_fro() -> None:
    """What a fused network saves an unfused one reads, to the same logits; there are no other modules."""
    plain = network()
    twin = fused_twin(network())
    twin(images())  # moves its statistics
    plain.load_state_dict(twin.state_dict())
    assert [name for name, _ in plain.named_modules()] == [name for name, _ in twin.named_modules()]
    torch.testing.assert_close(plain.eval()(images()), twin.eval()(images()), rtol=1e-10, atol=1e-10)


def test_fusing_can_be_undone() -> None:
    """With no groups, a network is again exactly the one that was built."""
    plain = network()
    twin = fused_twin(plain)
    fuse(twin, ())
    assert twin.source == plain.source
    assert torch.equal(twin(images()), plain(images()))


def test_branches_are_calls_of_equal_layers_on_one_variable() -> None:
    """Three functions a block, in the order of the blocks; the shortcut that enters stage 2 stays out."""
    groups = fusible(network().architecture.plan)
    assert [group.modules for group in groups] == [
        tuple(f"{block}_{name}" for name in ("F", "F2", "F3"))
        for block in ("stage1_block1", "stage1_block2", "stage2_block1")
    ]
    assert all(group.added for group in groups)


@pytest.mark.parametrize(
    ("formula", "backbone"),
    [
        ("x[n] = x[n-1] + F[n](x[n-1])", BACKBONES["basic"]),  # one function
        ("x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](relu(x[n-1]))", BACKBONES["basic"]),  # on two inputs
        ("x[n] = x[n-1] + F[n](x[n-1]) * T[n](x[n-1])", BACKBONES["basic"]),  # of two shapes
        ("x[n] = x[n-1] + F[n](x[n-1]) + F[n](F[n, 2](x[n-1]))", Backbone((8,), (2,))),  # one of them called twice
        (MULTI_RESIDUAL, Backbone((16, 32), (1, 1), squeeze=4)),  # the gate of a branch reads all its channels
    ],
)
def test_what_is_not_fused(formula: str, backbone: Backbone) -> None:
    """One function, those of two inputs or shapes, one called twice, and layers that mix channels stay as they are."""
    assert fusible(network(formula, backbone).architecture.plan) == ()


@pytest.mark.parametrize(
    ("formula", "added"),
    [
        ("x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1])", True),
        ("s[n] = F[n](x[n-1]) + F[n, 2](x[n-1]); x[n] = x[n-1] + s[n] - s[n-1]", True),
        ("x[n] = x[n-1] + 2 * F[n](x[n-1]) + F[n, 2](x[n-1])", False),
        ("x[n] = x[n-1] - F[n](x[n-1]) + F[n, 2](x[n-1])", False),
        ("x[n] = x[n-1] + F[n](x[n-1]) * F[n, 2](x[n-1])", False),
        ("x[n] = x[n-1] + F[n](x[n-1]) + F[n, 2](x[n-1]) - F[n-1](x[n-2])", False),  # one is read again later
    ],
)
def test_only_plain_sums_are_taken_as_one(formula: str, added: bool) -> None:
    """Outputs that are only added up need not exist one by one; those with coefficients or other readers do."""
    plain = network(formula, BACKBONES["preactivation"])
    twin = fused_twin(plain)
    assert {group.added for group in fusible(plain.architecture.plan)[:-1]} == {added}
    torch.testing.assert_close(plain(images()), twin(images()), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("terms", "added"),
    [
        (((1, "v0"), (1, "v1"), (1, "v2")), True),
        (((1, "v1"), (1, "v2"), (-1, "v0")), True),
        (((1, "v0"), (-1, "v1"), (1, "v2")), False),
        (((-1, "v1"), (1, "v2")), False),
        (((0.5, "v1"), (1, "v2")), False),
        (((1, "v1"), (1, "v0"), (1, "v2")), False),
        (((1, "v2"), (1, "v1")), False),
    ],
)
def test_outputs_are_added_where_they_stand_side_by_side(terms: tuple[tuple[float, str], ...], added: bool) -> None:
    """In the order of the calls, each with the coefficient 1; elsewhere rounding would differ."""
    conv = (Conv(4, 4, 3),)
    calls = [Line((f"v{at}",), Call(f"m{at}", (Variable("v0"),))) for at in (1, 2)]
    total = WeightedSum(tuple(float(c) for c, _ in terms), tuple(Variable(name) for _, name in terms))
    plan = Plan({"m1": conv, "m2": conv}, {}, (*calls, Line(("v3",), total)), {}, 0)
    assert [group.added for group in fusible(plan)] == [added]


def test_measuring_leaves_the_network_alone() -> None:
    """Weights, statistics, gradients, mode and the global generator are as before; each group has its figures."""
    plain = network()
    before, state = copied(plain), torch.get_rng_state()
    found = measure(plain, images(), rounds=2)
    assert [each.group for each in found] == list(fusible(plain.architecture.plan))
    assert [each.shape for each in found] == [(6, 8, 8, 8), (6, 8, 8, 8), (6, 8, 8, 8)]
    assert found[0].median == found[1].median > 0  # the same layers on the same shape are measured once
    assert plain.training
    assert all(parameter.grad is None for parameter in plain.parameters())
    assert all(map(torch.equal, before.state_dict().values(), plain.state_dict().values()))
    assert torch.equal(state, torch.get_rng_state())
    assert plain.source == before.source


@pytest.mark.parametrize(("margin", "chosen"), [(0.0, True), (1e9, False)])
def test_the_margin_decides(margin: float, chosen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A margin that all groups reach fuses all of them, one that none reaches leaves the network as it was built."""
    monkeypatch.setattr(fusion, "MARGIN", margin)
    plain = network()
    found = fuse_where_faster(plain, images(), rounds=2)
    assert [each.is_faster for each in found] == [chosen] * 3
    assert ("fused_sum(" in plain.source) is chosen
    assert [each.group for each in fuse_where_faster(plain, images(), rounds=2)] == [each.group for each in found]


def test_a_clear_margin_holds_for_three_of_four_pairs() -> None:
    """A median above the margin is not enough where many pairs were slower."""
    group = fusible(network().architecture.plan)[0]
    assert not Measured(group, (1, 8, 8, 8), median=1.2, low=0.9).is_faster
    assert Measured(group, (1, 8, 8, 8), median=1.2, low=1.1).is_faster
