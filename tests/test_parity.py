"""Our networks against timm's, which share no code with ours: counts, logits, gradients, running statistics."""

from collections.abc import Iterator

import pytest
import torch
from independent import PAIRS
from torch import Tensor, nn

from formulanas.errors import InputError
from formulanas.network.network import build
from formulanas.network.weights import copy_weights, counterparts

SIZE = 64  # pixels a side: the smallest images for which our stems are those of ImageNet


@pytest.fixture
def images() -> Tensor:
    """Images in double precision, in which different orders of addition agree to 1e-10."""
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(autouse=True)
def fixed_chance() -> Iterator[None]:
    """Weights that other libraries draw come from the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def randomise_norms(network: nn.Module) -> None:
    """Norms start as the identity, and some at zero, which would hide a difference."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.1)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 1.5)


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_are_those_of_timm(name: str) -> None:
    """The planned number of parameters is theirs, at 224 pixels and 1000 classes."""
    with torch.device("meta"):
        theirs = PAIRS[name].independent(1000)
    planned = PAIRS[name].architecture(224, 1000).plan.num_params
    assert planned == sum(each.numel() for each in theirs.parameters())


@pytest.mark.parametrize("name", PAIRS)
def test_the_network_is_that_of_timm(name: str, images: Tensor) -> None:
    """With their weights ours gives their logits, evaluating and training, their gradients and running statistics."""
    ours, theirs = build(PAIRS[name].architecture(SIZE, 10), seed=0).double(), PAIRS[name].independent(10).double()
    randomise_norms(theirs)
    copy_weights(theirs, ours, images)
    weights = counterparts(theirs, ours, images)
    assert len(set(weights.values())) == len(weights)
    assert_close(ours.eval()(images), theirs.eval()(images))

    direction = torch.randn(2, 10, dtype=torch.float64)  # a gradient of the logits
    inputs = [images.clone().requires_grad_() for _ in range(2)]
    logits = [network.train()(each) for network, each in zip((ours, theirs), inputs, strict=True)]
    for each in logits:
        each.backward(direction)
    assert_close(*logits)
    assert_close(*[each.grad for each in inputs])
    theirs_left = {id(each) for each in theirs.parameters()}
    for mine, other in weights.items():
        layer, counterpart = ours.get_submodule(mine), theirs.get_submodule(other)
        for key, value in layer.named_parameters():
            assert_close(value.grad, counterpart.get_parameter(key).grad)
            theirs_left.remove(id(counterpart.get_parameter(key)))
        for key, buffer in layer.named_buffers():
            assert_close(buffer, counterpart.get_buffer(key))
    assert not theirs_left


def assert_close(ours: Tensor | None, theirs: Tensor | None) -> None:
    """Equal to 1e-10 of the largest value."""
    assert ours is not None
    assert theirs is not None
    assert torch.isfinite(theirs).all()
    theirs = theirs.view_as(ours)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10 * max(1.0, theirs.abs().max().item()))


class Residual(nn.Module):
    """A branch beside a shortcut, called in either order; where `inside` is 4, all their shapes are the same."""

    def __init__(self, shortcut_first: bool, inside: int = 4, linear: bool = False) -> None:
        super().__init__()
        self.shortcut_first = shortcut_first
        self.stem, self.first = nn.Conv2d(3, 4, 1), nn.Conv2d(4, inside, 1)
        self.second, self.shortcut = nn.Conv2d(inside, 4, 1), nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.classifier = nn.Linear(4, 2) if linear else nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        if self.shortcut_first:
            x = self.shortcut(x) + self.second(self.first(x).relu())
        else:
            branch = self.second(self.first(x).relu_())
            x = branch.add_(self.shortcut(x))
        x = self.norm(x).mean((2, 3), keepdim=True)
        logits: Tensor = self.classifier(x.flatten(1) if isinstance(self.classifier, nn.Linear) else x)
        return logits.flatten(1)


def test_weights_find_their_layer_whatever_the_order_of_calls() -> None:
    """A shortcut with the shapes of its branch is told apart by what it reads and what reads it; sums may be in place."""
    source, target = Residual(shortcut_first=False), Residual(shortcut_first=True)
    images = torch.randn(2, 3, 5, 5)
    assert counterparts(source, target, images) == {name: name for name, _ in source.named_children()}
    copy_weights(source, target, images)
    assert torch.equal(source(images), target(images))


def test_a_linear_layer_may_be_a_convolution() -> None:
    """Weights of one size are copied between a linear layer and a 1x1 convolution, as timm's gates need."""
    source, target = Residual(True), Residual(True, linear=True)
    images = torch.randn(2, 3, 5, 5)
    copy_weights(source, target, images)
    torch.testing.assert_close(source(images), target(images))


def test_what_has_no_counterpart_is_named() -> None:
    """The error names the first layer that differs, with its shapes."""
    images = torch.randn(2, 3, 5, 5)
    with pytest.raises(InputError, match=r"first \(bias \[3\], weight \[3, 4\]\) has none in the source"):
        copy_weights(Residual(True), Residual(True, inside=3), images)
    longer = nn.Sequential(Residual(True), nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"1 \(bias \[2\], weight \[2, 2\]\) has none in the target"):
        copy_weights(longer, Residual(True), images)


def test_matching_changes_nothing_but_the_weights() -> None:
    """Neither running statistics nor what is frozen, training or evaluating is touched by looking for counterparts."""
    source, target = Residual(True), Residual(False)
    source.classifier.eval()
    for weight in source.stem.parameters():
        weight.requires_grad_(False)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    copy_weights(source, target, torch.randn(2, 3, 5, 5))
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
    assert [module.training for module in source.children()] == [
        module is not source.classifier for module in source.children()
    ]
    assert not source.stem.weight.requires_grad
    assert all(weight.grad is None for weight in source.parameters())
