"""Pruners: what they stop, by hand-made histories."""

import pytest

from formulanas.errors import InputError
from formulanas.search.study.pruners import PRUNERS, Progress, find_pruner


def curves(*values: float) -> list[list[float]]:
    """Trials that were trained to the end, each with one accuracy throughout."""
    return [[value] * 9 for value in values]


def progress(epoch: int, own: float, others: list[list[float]], number: int = 0) -> Progress:
    return Progress(number, 9, [own] * epoch, others)


def test_median_waits_for_half_of_the_epochs_and_six_trials() -> None:
    """Below the median of six it stops from epoch 4 of 9 on; not before, and not against five."""
    six = curves(0.1, 0.2, 0.3, 0.5, 0.6, 0.7)
    assert find_pruner("median")(progress(4, 0.39, six))
    assert not find_pruner("median")(progress(4, 0.41, six))
    assert not find_pruner("median")(progress(3, 0.0, six))
    assert not find_pruner("median")(progress(4, 0.0, six[:5]))


def test_halving_keeps_a_third_at_its_rungs() -> None:
    """Of nine trials after epoch 1 three go on; between the rungs 1, 3 and 9 nothing is stopped."""
    eight = curves(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    assert find_pruner("halving")(progress(1, 0.55, eight))
    assert not find_pruner("halving")(progress(1, 0.65, eight))
    assert find_pruner("halving")(progress(3, 0.55, eight))
    assert not find_pruner("halving")(progress(2, 0.0, eight))
    assert not find_pruner("halving")(progress(9, 0.0, eight))


def test_halving_is_asynchronous() -> None:
    """The first trial at a rung goes on; a worse second does not."""
    assert not find_pruner("halving")(progress(1, 0.1, []))
    assert find_pruner("halving")(progress(1, 0.05, curves(0.1)))


def test_hyperband_begins_at_three_rungs_by_turns() -> None:
    """Trials 0, 1 and 2 are first judged after 1, 3 and 9 of 9 epochs, so the last never is."""
    others = curves(0.5, 0.6, 0.7)
    stops = [
        next((epoch for epoch in range(1, 10) if find_pruner("hyperband")(progress(epoch, 0.1, others, number))), None)
        for number in (0, 1, 2)
    ]
    assert stops == [1, 3, None]


def test_first_epoch_keeps_an_eighth() -> None:
    """Of sixteen after one epoch two go on, and these to the end."""
    fifteen = curves(*[at / 100 for at in range(15)])
    assert not find_pruner("first-epoch")(progress(1, 0.135, fifteen))
    assert find_pruner("first-epoch")(progress(1, 0.125, fifteen))
    assert not find_pruner("first-epoch")(progress(2, 0.0, fifteen))


@pytest.mark.parametrize("name", PRUNERS)
def test_the_best_is_never_stopped(name: str) -> None:
    """Whatever the rule, a trial that is ahead of all others goes on at every epoch."""
    others = curves(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    for number in range(3):
        assert not any(find_pruner(name)(progress(epoch, 0.9, others, number)) for epoch in range(1, 10))


def test_unknown_pruners_list_the_nearest() -> None:
    """A misspelt name says what was meant."""
    with pytest.raises(InputError, match="did you mean 'median'"):
        find_pruner("mediam")
