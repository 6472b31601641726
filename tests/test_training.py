"""Training: schedules as their formulas, exact resume, broken checkpoints, divergence."""

import math
from pathlib import Path

import pytest
import torch
from small_training import easy, training, weights

from formulanas.errors import InputError
from formulanas.recipe import RECIPES, Recipe
from formulanas.training import checkpoint
from formulanas.training.evaluate import evaluate
from formulanas.training.schedules import learning_rate
from formulanas.training.training import DivergedError


def test_it_learns_what_is_easy() -> None:
    """A loop that works separates bright from dark images, on images that it has not seen."""
    run = training()
    *_, last = run.run(validation=easy(40))
    assert last.epoch == 3
    assert last.validation_accuracy == 1.0
    assert evaluate(run.network, easy(40)).top1 == 1.0


def test_the_same_seed_gives_the_same_weights() -> None:
    """Two trainings of one seed agree to the last bit, another seed differs."""
    first, second, other = training(), training(), training(seed=8)
    for run in (first, second, other):
        list(run.run())
    assert all(map(torch.equal, weights(first), weights(second)))
    assert not all(map(torch.equal, weights(first), weights(other)))


@pytest.mark.parametrize("stop_at", [1, 4, 6])
def test_a_training_resumed_after_any_step_ends_in_the_same_weights(tmp_path: Path, stop_at: int) -> None:
    """Kill at step 1, at the end of an epoch or within one: the final weights are those of the uninterrupted run."""
    whole = training()
    metrics = list(whole.run())

    class StoppedError(Exception):
        pass

    killed = training()

    def kill() -> None:
        if killed.step == stop_at:
            checkpoint.save(tmp_path, killed.state())
            raise StoppedError

    with pytest.raises(StoppedError):
        list(killed.run(after_step=kill))
    resumed = training()
    state, messages = checkpoint.load(tmp_path, torch.device("cpu"))
    assert state is not None
    assert messages == []
    resumed.restore(state)
    again = list(resumed.run())
    assert all(map(torch.equal, weights(whole), weights(resumed)))
    assert again[-1].train_loss == metrics[-1].train_loss


def test_a_broken_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    """A truncated newest checkpoint is passed over with a message; with none left there is nothing to resume."""
    run = training()
    checkpoint.save(tmp_path, {"step": 1})
    checkpoint.save(tmp_path, run.state())
    newest = tmp_path / checkpoint.CURRENT
    newest.write_bytes(newest.read_bytes()[:200])
    state, messages = checkpoint.load(tmp_path, torch.device("cpu"))
    assert state == {"step": 1}
    assert "cannot be read" in messages[0]
    (tmp_path / checkpoint.PREVIOUS).write_bytes(b"")
    assert checkpoint.load(tmp_path, torch.device("cpu"))[0] is None


def test_divergence_is_an_error_and_no_result() -> None:
    """A loss that is not finite ends the training."""
    run = training(Recipe(epochs=2, batch_size=16, learning_rate=1e9, momentum=0.0, crop_padding=1), formula="plain")
    with torch.no_grad():
        next(run.network.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match="nan"):
        list(run.run())


def test_schedules_are_their_formulas() -> None:
    """Cosine falls from the full rate to near zero; one-cycle peaks at its warm-up share and ends near zero."""
    cosine = Recipe(epochs=1, learning_rate=0.1)
    assert learning_rate(cosine, 0, 100) == pytest.approx(0.1)
    assert learning_rate(cosine, 50, 100) == pytest.approx(0.05)
    assert learning_rate(cosine, 99, 100) == pytest.approx(0.05 * (1 + math.cos(math.pi * 0.99)))
    cycle = Recipe(epochs=1, learning_rate=0.2, schedule="one-cycle", warmup=0.25)
    rates = [learning_rate(cycle, step, 99) for step in range(99)]
    assert max(rates) == pytest.approx(0.2)
    assert rates.index(max(rates)) == 24
    assert 0 < rates[-1] < 0.2 / 50
    assert rates[0] == pytest.approx(0.2 / 25)


def test_the_cifar_recipe_is_the_papers() -> None:
    """Liao et al.: 200 epochs, SGD 0.1, momentum 0.9, cosine, batch 128; weight decay 5e-4 in the code they build on."""
    recipe = RECIPES["cifar"]
    expected = (200, 0.1, 0.9, 5e-4, 128, "cosine", 4)
    given = (recipe.epochs, recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.batch_size)
    assert (*given, recipe.schedule, recipe.crop_padding) == expected


def test_recipes_of_different_settings_have_different_digests() -> None:
    """The digest covers every setting, the schedule's length too."""
    recipe = RECIPES["cifar"]
    assert recipe.scaled(200).digest == recipe.digest
    assert recipe.scaled(100).digest != recipe.digest
    with pytest.raises(InputError, match="0 < epochs"):
        recipe.scaled(0)


def test_batch_norms_count_one_step_a_step() -> None:
    """A projection of history that were computed twice a step would update its statistics twice."""
    run = training()
    list(run.run())
    counts = {name: int(value) for name, value in run.network.state_dict().items() if "num_batches_tracked" in name}
    assert counts
    assert set(counts.values()) == {run.num_steps}
