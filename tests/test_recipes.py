"""Recipes: the papers' numbers, schedules at their milestones, optimizers and mixing as their definitions."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_training import SMALL, training
from torch import nn

from formulanas.errors import InputError
from formulanas.network.coefficients import Coefficients
from formulanas.recipe import RECIPES, Recipe, fixing_resolution, recipe
from formulanas.training.average import Average
from formulanas.training.mixing import losses, mix, one_hot
from formulanas.training.optimizers import Lamb, optimizer, parameter_groups
from formulanas.training.schedules import learning_rate


def rates(name: str, epochs: int | None = None) -> list[float]:
    """The learning rate of each epoch, at ten steps an epoch, first steps."""
    chosen = recipe(name) if epochs is None else recipe(name).scaled(epochs)
    return [learning_rate(chosen, 10 * epoch, 10 * chosen.epochs) for epoch in range(chosen.epochs)]


def test_multiresnet_steps_at_81_and_122() -> None:
    """masabdi/multi-resnet: `epoch >= 122 and 2 or epoch >= 81 and 1` with epochs from 1; Nesterov, 1e-4, batch 128."""

    def by_the_code(epoch: int) -> float:
        return 0.1 * 0.1 ** (2 if epoch >= 122 else 1 if epoch >= 81 else 0)

    given = recipe("cifar-multiresnet")
    assert rates("cifar-multiresnet") == pytest.approx([by_the_code(epoch) for epoch in range(1, 201)])
    assert (given.nesterov, given.momentum, given.weight_decay, given.batch_size) == (True, 0.9, 1e-4, 128)


def test_resnext_steps_at_half_and_three_quarters() -> None:
    """Xie et al.: 300 epochs, divided by 10 at 50 % and 75 %; Nesterov, 5e-4."""
    assert rates("cifar-resnext") == pytest.approx([0.1] * 150 + [0.01] * 75 + [0.001] * 75)
    assert (recipe("cifar-resnext").nesterov, recipe("cifar-resnext").weight_decay) == (True, 5e-4)


def test_the_keras_example_by_its_code() -> None:
    """Its schedule, word by word; Adam, batch 32; the gradient of its penalty 1e-4 w^2 is 2e-4 w, on kernels alone."""

    def by_the_code(epoch: int) -> float:
        rate = 1e-3
        if epoch > 180:
            rate *= 0.5e-3
        elif epoch > 160:
            rate *= 1e-3
        elif epoch > 120:
            rate *= 1e-2
        elif epoch > 80:
            rate *= 1e-1
        return rate

    given = recipe("cifar-accumulated")
    assert rates("cifar-accumulated") == pytest.approx([by_the_code(epoch) for epoch in range(200)])
    assert (given.optimizer, given.batch_size, given.decayed, given.weight_decay) == ("adam", 32, "kernels", 2e-4)
    assert (given.crop_padding, given.padding) == (round(0.1 * 32), "edge")


def test_imagenet_steps_every_30_epochs() -> None:
    """90 epochs at 0.1, divided by 10 every 30; batch 256, 1e-4, 224 pixels, 256 in the test."""
    given = recipe("imagenet")
    assert rates("imagenet") == pytest.approx([0.1] * 30 + [0.01] * 30 + [0.001] * 30)
    assert (given.batch_size, given.weight_decay, given.image_size) == (256, 1e-4, 224)
    assert given.size_at_test / given.test_share == 256


def test_milestones_are_scaled_with_the_schedule() -> None:
    """Half of 300 epochs has its steps at 75 and 112.5; a recipe of as many epochs is itself."""
    half = recipe("cifar-resnext").scaled(150)
    assert half.milestones == (75, 112.5)
    assert half.digest != recipe("cifar-resnext").digest
    assert half.scaled(300) == recipe("cifar-resnext")
    assert rates("imagenet", 3) == pytest.approx([0.1, 0.01, 0.001])


def test_warmup_cosine_rises_and_falls() -> None:
    """To its peak in the share of the warm-up, linearly, then a half cosine to nearly zero."""
    given = Recipe(epochs=10, schedule="warmup-cosine", warmup=0.1, learning_rate=1.0)
    shares = [learning_rate(given, step, 100) for step in range(100)]
    assert shares[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert shares[10] == 1
    assert shares[55] == pytest.approx(0.5)
    assert 0 < shares[99] < 1e-3


def test_a_recipe_file_is_a_recipe(tmp_path: Path) -> None:
    """Settings in YAML; 80 and 80.0 are one recipe; what is wrong is named with its place."""
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 200\nnesterov: true\nweight_decay: 1.0e-4\nschedule: steps\nmilestones: [80, 121]\n")
    assert recipe(str(path)) == recipe("cifar-multiresnet")
    assert recipe(str(path)).digest == recipe("cifar-multiresnet").digest
    path.write_text("epochs: 2\nmomentun: 0.9\n")
    with pytest.raises(InputError, match=r"did you mean 'momentum'.*mine.yaml.momentun"):
        recipe(str(path))
    path.write_text("epochs: 2\noptimizer: adamm\n")
    with pytest.raises(InputError, match=r"mine\.yaml\.optimizer"):
        recipe(str(path))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": "steps"}, "steps need milestones"),
        ({"milestones": (1,)}, "other schedules have none"),
        ({"schedule": "steps", "milestones": (2, 1)}, "rise"),
        ({"schedule": "steps", "milestones": (1, 2), "factors": (1, 1, 1)}, "one for all"),
        ({"average": 1.0}, "0 <= average < 1"),
        ({"crop_area": (0.5, 0.2)}, "least <= most"),
        ({"erasing": 1.5}, "0 <= erasing <= 1"),
        ({"test_size": 0}, "0 < test_size"),
        ({"momentum": 0.0, "nesterov": True}, "nesterov"),
    ],
)
def test_a_recipe_checks_itself(settings: dict[str, object], words: str) -> None:
    """Laws over several settings too."""
    with pytest.raises(InputError, match=words):
        Recipe(epochs=1, **settings)  # type: ignore[arg-type]


def test_every_recipe_has_its_own_digest() -> None:
    """No two named recipes are the same training."""
    assert len({each.digest for each in RECIPES.values()}) == len(RECIPES)


def test_what_is_decayed() -> None:
    """Everything; all but norms and biases; or the kernels of convolutions alone."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    shapes = {}
    for decayed in ("everything", "weights", "kernels"):
        groups = parameter_groups(Recipe(epochs=1, decayed=decayed, weight_decay=0.5), network)
        shapes[decayed] = [[tuple(each.shape) for each in group["params"]] for group in groups]
        assert [group["weight_decay"] for group in groups] == [0.5, 0.0][: len(groups)]
    assert shapes == {
        "everything": [[(4, 3, 3, 3), (4,), (4,), (4,), (2, 4), (2,)]],
        "weights": [[(4, 3, 3, 3), (2, 4)], [(4,), (4,), (4,), (2,)]],
        "kernels": [[(4, 3, 3, 3)], [(4,), (4,), (4,), (2, 4), (2,)]],
    }


LEARNED = 'x[n] = learn(0.5) * x[n-1] + learn(1, per="channel") * F[n](x[n-1])'


def coefficients(network: nn.Module) -> list[torch.Tensor]:
    """The learned coefficients of a network, as they are now."""
    return [module.values.detach().clone() for module in network.modules() if isinstance(module, Coefficients)]


@pytest.mark.parametrize("kind", ["sgd", "adam", "lamb"])
@pytest.mark.parametrize("decayed", ["everything", "weights", "kernels"])
def test_learned_coefficients_are_never_decayed(decayed: str, kind: str) -> None:
    """A step without a gradient, in which kernels decay, leaves them where they started."""
    network = training(formula=LEARNED).network
    chosen = Recipe(epochs=1, weight_decay=0.5, decayed=decayed, optimizer=kind)  # type: ignore[arg-type]
    given = optimizer(chosen, network)
    starts, kernel = coefficients(network), network.get_submodule("stem.0").weight
    before = kernel.detach().clone()
    for each in network.parameters():
        each.grad = torch.zeros_like(each)
    given.step()
    assert len(starts) == 4
    assert all(map(torch.equal, coefficients(network), starts))
    assert not torch.equal(kernel, before)


@pytest.mark.parametrize("kind", ["sgd", "adam", "lamb"])
def test_learned_coefficients_have_a_learning_rate_of_their_own(kind: str) -> None:
    """At every step of the schedule a share of the weights'; at none they stay where they start."""
    rates: list[tuple[float, float]] = []
    for share in (1.0, 0.25, 0.0):
        run = training(replace(SMALL, optimizer=kind, coefficient_rate=share), LEARNED)  # type: ignore[arg-type]
        starts = coefficients(run.network)
        groups = run.optimizer.param_groups
        list(run.run(after_step=lambda groups=groups: rates.append((groups[0]["lr"], groups[-1]["lr"]))))  # type: ignore[misc]
        assert all(own == share * rate for rate, own in rates[-run.num_steps :])
        assert all(map(torch.equal, coefficients(run.network), starts)) == (share == 0)
    assert len({rate for rate, _ in rates}) > 3
    with pytest.raises(InputError, match="0 <= coefficient_rate"):
        replace(SMALL, coefficient_rate=-1)


def test_a_checkpoint_in_which_coefficients_decayed_is_refused() -> None:
    """To go on with it would be neither the training that began nor the one that is recorded."""
    run = training(formula=LEARNED)
    state = run.state()
    old = torch.optim.SGD(run.network.parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(InputError, match="coefficients decayed like weights"):
        run.restore({**state, "optimizer": old.state_dict()})


def test_head_and_norms_alone_are_trained() -> None:
    """FixRes: a step moves classifier and norms, and no convolution."""
    run = training(fixing_resolution(Recipe(epochs=1, batch_size=16, crop_padding=1), 8, epochs=1))
    before = {name: each.clone() for name, each in run.network.named_parameters()}
    list(run.run())
    moved = {name for name, each in run.network.named_parameters() if not torch.equal(each, before[name])}
    assert moved == {name for name, each in before.items() if each.ndim != 4}


def test_lamb_is_its_definition() -> None:
    """Two steps against the update of 1904.00962 written out: no trust ratio where nothing decays."""
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(3, 4, generator=generator), torch.randn(5, generator=generator)]
    gradients = [[torch.randn(each.shape, generator=generator) for each in starts] for _ in range(2)]
    weights = [nn.Parameter(each.clone()) for each in starts]
    given = Lamb([{"params": weights[:1], "weight_decay": 0.1}, {"params": weights[1:], "weight_decay": 0.0}], lr=0.01)
    expected, means, squares = [each.clone() for each in starts], [0.0, 0.0], [0.0, 0.0]
    for step, pair in enumerate(gradients, 1):
        norm = sum(float((each**2).sum()) for each in pair) ** 0.5
        for i, decay in enumerate((0.1, 0.0)):
            weights[i].grad = pair[i].clone()
            gradient = pair[i] / max(norm, 1)
            means[i] = 0.9 * means[i] + 0.1 * gradient
            squares[i] = 0.999 * squares[i] + 0.001 * gradient**2
            update = means[i] / (1 - 0.9**step) / ((squares[i] / (1 - 0.999**step)) ** 0.5 + 1e-6)
            update = update + decay * expected[i]
            ratio = float(expected[i].norm() / update.norm()) if decay else 1.0
            expected[i] = expected[i] - 0.01 * ratio * update
        given.step()
    for found, wanted in zip(weights, expected, strict=True):
        torch.testing.assert_close(found.detach(), wanted)


def test_the_optimizer_is_the_recipes() -> None:
    """By its name; Adam's decay is a part of the gradient, as a penalty is."""
    network = nn.Linear(2, 2)
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "lamb": Lamb}
    for name, kind in kinds.items():
        assert type(optimizer(Recipe(epochs=1, optimizer=name), network)) is kind  # type: ignore[arg-type]


def test_mixup_is_a_weighted_mean_and_cutmix_a_window() -> None:
    """Images and targets have one share; in cutmix it is the share of pixels, and each pixel is from one image."""
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8).clone()
    targets = one_hot(torch.arange(4), 4)
    mixed, shares = mix(Recipe(epochs=1, mixup=1.0), images, targets, seed=3)
    share = float(shares[0, 0])
    assert 0 < share < 1
    torch.testing.assert_close(mixed[0], torch.full((3, 8, 8), 3 * (1 - share)))
    torch.testing.assert_close(shares, share * targets + (1 - share) * targets.flip(0))
    cut, shares = mix(Recipe(epochs=1, cutmix=1.0), images, targets, seed=3)
    foreign = (cut[0, 0] == 3).sum()
    assert set(cut[0].unique().tolist()) == {0.0, 3.0}
    assert float(shares[0, 3]) == pytest.approx(float(foreign) / 64)
    assert torch.equal(mix(Recipe(epochs=1, cutmix=1.0), images, targets, seed=3)[0], cut)


def test_losses_are_the_standard_ones() -> None:
    """Labels and their one-hot targets have one loss, smoothed or not; the binary loss asks of each class on its own."""
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1, 0])
    for smoothing in (0.0, 0.1):
        given = Recipe(epochs=1, label_smoothing=smoothing)
        expected = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing) * 5
        torch.testing.assert_close(losses(given, logits, labels), expected)
        torch.testing.assert_close(losses(given, logits, one_hot(labels, 3)), expected)
    present = one_hot(labels, 3)
    by_hand = -(present * logits.sigmoid().log() + (1 - present) * (1 - logits.sigmoid()).log()).mean(1).sum()
    torch.testing.assert_close(losses(Recipe(epochs=1, loss="binary"), logits, labels), by_hand)
    torch.testing.assert_close(losses(Recipe(epochs=1, loss="binary"), logits, 0.3 * present), by_hand)


def test_the_average_follows_the_weights() -> None:
    """After steps 0 and 1 its decays are 1/10 and 2/11, later that of the recipe; statistics are averaged too."""
    network = training().network
    weight, statistic = network.state_dict()["head.1.weight"], network.state_dict()["stem.1.running_mean"]
    average = Average(network, 0.5)
    kept = average.network.state_dict()
    start = weight.clone()
    weight.add_(1)
    statistic.fill_(1)
    average.follow(0)
    torch.testing.assert_close(kept["head.1.weight"], start + 0.9)
    torch.testing.assert_close(kept["stem.1.running_mean"], torch.full_like(statistic, 0.9))
    average.follow(1)
    torch.testing.assert_close(kept["stem.1.running_mean"], torch.full_like(statistic, 1 - 0.1 * 2 / 11))
    average.follow(1000)
    torch.testing.assert_close(kept["stem.1.running_mean"], torch.full_like(statistic, 1 - 0.1 / 11))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_trains(name: str) -> None:
    """One epoch of each on images that are easy: the loss is a number, and the network for the test has moved."""
    run = training(replace(recipe(name).scaled(1), batch_size=16, cutout=2))
    before = [each.clone() for each in run.result.state_dict().values()]
    (metrics,) = run.run()
    assert metrics.train_loss > 0
    assert not all(map(torch.equal, before, run.result.state_dict().values()))
