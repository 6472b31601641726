"""The leaderboard: its order, its means and deviations, and what may be said of the winner."""

from typing import Any

import pytest

from formulanas.statistics.leaderboard import accuracies, against, rank, verdict
from formulanas.store.trials import ConfirmationRecord, TrialRecord


def trial(number: int, key: str, value: float, **facts: Any) -> TrialRecord:
    """A trial that was trained to its end."""
    known: dict[str, Any] = {"state": "COMPLETE", "formula": f"x[n] = {key}", "params": 10, "macs": 20, "seconds": 3.0}
    return TrialRecord(number=number, key=key, value=value, **(known | facts))


def confirmations(key: str, *values: float | None) -> list[ConfirmationRecord]:
    """The confirmations of a candidate, one a draw."""
    return [
        ConfirmationRecord(key, f"x[n] = {key}", draw, 2, "digest", value, 5.0) for draw, value in enumerate(values)
    ]


def test_confirmed_rows_lead_whatever_their_proxy_said() -> None:
    """The lucky proxy of c does not beat the confirmed a and b, whose means decide; failures and duplicates are left out."""
    trials = [
        trial(0, "a", 0.5),
        trial(1, "b", 0.6),
        trial(2, "c", 0.9),
        trial(3, "d", 0.95, state="PRUNED"),
        trial(4, "b", 0.6, duplicate_of=1),
    ]
    rows = rank(trials, confirmations("a", 0.7, 0.8) + confirmations("b", 0.6, None), {"a": "resnet"})
    assert [row.key for row in rows] == ["a", "b", "c"]
    assert [row.n for row in rows] == [2, 1, 1]
    assert rows[0].mean == pytest.approx(0.75)
    assert rows[0].deviation == pytest.approx(0.0707, abs=1e-4)  # of 0.7 and 0.8, with n - 1
    assert rows[1].deviation is None
    assert (rows[0].name, rows[1].name, rows[0].seconds, rows[2].seconds) == ("resnet", None, 5.0, 3.0)


def test_a_lead_within_the_noise_is_no_win() -> None:
    """Differences of 1, 3 and -1 points: mean 1, deviation 2, half width 4.303 * 2 / sqrt(3) = 4.97."""
    trials = [trial(0, "a", 0.6, point="plain"), trial(1, "b", 0.6)]
    documents = confirmations("a", 0.50, 0.50, 0.50) + confirmations("b", 0.51, 0.53, 0.49)
    said = verdict(rank(trials, documents, {}), documents)
    assert said == "trial 1 cannot be told from plain (+1.0 points, 95 % interval -4.0 to +6.0, paired by seed, n = 3)"


def test_a_lead_beyond_the_noise_is_a_win() -> None:
    """Differences of 4, 5 and 6 points: half width 4.303 / sqrt(3) = 2.48."""
    trials = [trial(0, "a", 0.6), trial(1, "b", 0.6)]
    documents = confirmations("a", 0.50, 0.60, 0.70) + confirmations("b", 0.54, 0.65, 0.76)
    said = verdict(rank(trials, documents, {}), documents)
    assert said == "trial 1 is better than trial 0 (+5.0 points, 95 % interval +2.5 to +7.5, paired by seed, n = 3)"


def test_the_best_named_rival_is_compared_as_well() -> None:
    """The runner-up first, then the best baseline; one seed says nothing."""
    trials = [trial(0, "a", 0.6, point="resnet"), trial(1, "b", 0.6), trial(2, "c", 0.6)]
    documents = confirmations("a", 0.4) + confirmations("b", 0.5) + confirmations("c", 0.6)
    said = verdict(rank(trials, documents, {}), documents)
    assert said == (
        "trial 2 cannot be told from trial 1 (+10.0 points, n = 1 and 1; 2 seeds each are the least); "
        "trial 2 cannot be told from resnet (+20.0 points, n = 1 and 1; 2 seeds each are the least)"
    )
    assert verdict(rank(trials[:1], documents[:1], {}), documents[:1]) == ""


def test_what_was_not_confirmed_is_told_from_nothing() -> None:
    """A rival whose trainings all failed, or whose draws are others, as that of a random search may be; or a twin."""
    trials = [trial(0, "a", 0.6), trial(1, "b", 0.5), trial(2, "c", 0.4)]
    documents = confirmations("a", 0.5, None) + confirmations("b", None, 0.4) + confirmations("c", None)
    winner, rival, failed = rank(trials, documents, {})
    values = accuracies(documents)
    assert against(winner, rival, values) == "trial 0 and trial 1 have no draw in common"
    assert against(winner, failed, values) == "trial 0 and trial 2 have no draw in common"
    assert against(failed, winner, values) == "trial 2 and trial 0 have no draw in common"
    assert against(winner, winner, values) == "trial 0 is the same architecture as trial 0"


def test_the_better_one_comes_first_over_the_shared_draws() -> None:
    """The winner's mean has a draw that its rival lacks; over the other two it is 2 points behind."""
    trials = [trial(0, "a", 0.6), trial(1, "b", 0.5)]
    documents = confirmations("a", 0.50, 0.60, 0.90) + confirmations("b", 0.52, 0.62, None)
    said = verdict(rank(trials, documents, {}), documents)
    assert said.startswith("trial 1 is better than trial 0 (+2.0 points")
