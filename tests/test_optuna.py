"""What the study uses of Optuna beyond its published names, which a release may change: search/study/optuna_private.py."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import InMemoryStorage, JournalStorage

from formulanas.search.study.optuna_private import give_value, report, succeed, trial_to_tell
from formulanas.search.study.study import open_storage

CHANGED = f"Optuna {optuna.__version__} is not as search/study/optuna_private.py expects: "


@pytest.fixture(params=["memory", "journal"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    """A study of two objectives, in either storage."""
    storage = InMemoryStorage() if request.param == "memory" else open_storage(tmp_path / "journal")
    return optuna.create_study(storage=storage, directions=["maximize", "minimize"])


def test_a_trial_read_from_the_study_can_be_told(study: optuna.Study) -> None:
    """Frozen and open trials have an `_trial_id`, from which a Trial is made again with all that is known of it."""
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, params={"p": 1}, distributions={"p": IntDistribution(0, 2)}
        )
    )
    trial = trial_to_tell(study, study.get_trials()[-1])
    assert (trial.number, trial.params) == (0, {"p": 1}), CHANGED + "a Trial is made from a study and a `_trial_id`"
    again = trial_to_tell(study, trial)
    study.tell(again, [1.0, 2.0])
    assert study.trials[0].values == [1.0, 2.0], CHANGED + "the trial made again is the same"


def test_a_value_is_given_whatever_the_sampler_says(study: optuna.Study) -> None:
    """`BaseStorage.set_trial_param` with the trial's `_trial_id` decides what is suggested, once the trial is made again."""
    trial = study.ask()
    distribution = CategoricalDistribution(["a", "b", "c"])
    for name, value in zip("xyz", "cab", strict=True):
        give_value(trial, name, value, distribution)
    trial = trial_to_tell(study, trial)
    suggested = [trial.suggest_categorical(name, ["a", "b", "c"]) for name in "xyz"]
    assert suggested == ["c", "a", "b"], CHANGED + "set_trial_param decides a parameter"
    assert study.get_trials()[-1].params == {"x": "c", "y": "a", "z": "b"}


def test_epochs_are_reported_beside_several_objectives(study: optuna.Study) -> None:
    """`BaseStorage.set_trial_intermediate_value` takes what Trial.report refuses."""
    trial = study.ask()
    with pytest.raises(NotImplementedError):
        trial.report(0.5, 1)
    report(trial, 1, 0.5)
    assert study.get_trials()[-1].intermediate_values == {1: 0.5}, (
        CHANGED + "an intermediate value is set by its storage"
    )


@pytest.mark.parametrize("name", ["TPESampler", "NSGAIISampler", "CmaEsSampler"])
def test_samplers_hand_on_what_they_know_of_all_trials(name: str) -> None:
    """`_search_space` is an IntersectionSearchSpace, which remembers the trials that it has seen; others have none."""
    former, later = (getattr(optuna.samplers, name)(seed=seed) for seed in (0, 1))
    known = vars(former).get("_search_space")
    assert isinstance(known, optuna.search_space.IntersectionSearchSpace), CHANGED + f"{name} has a `_search_space`"
    assert vars(succeed(former, later))["_search_space"] is known
    other = optuna.samplers.RandomSampler()
    assert succeed(former, other) is other


def test_a_journal_needs_no_lock_of_its_own(tmp_path: Path) -> None:
    """The run has a lock: no other file beside the journal is made, and an abandoned lock file holds nobody up."""
    path = tmp_path / "journal"
    assert isinstance(open_storage(path), JournalStorage)
    path.with_name("journal.lock").touch()
    optuna.create_study(storage=open_storage(path), study_name="search")
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal", "journal.lock"]
