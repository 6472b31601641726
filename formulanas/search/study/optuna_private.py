"""All that is used of Optuna beyond its published names; tests/test_optuna.py says what each of them must do."""

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from formulanas.formula.bind import Value


def trial_to_tell(study: Study, trial: FrozenTrial | Trial) -> Trial:
    """A trial of the study, with all that is on disk of it, as one that can be told."""
    return Trial(study, trial._trial_id)


def give_value(trial: Trial, name: str, value: Value, distribution: BaseDistribution) -> None:
    """Gives a trial under way the value of a parameter, whatever its sampler would say."""
    trial.storage.set_trial_param(trial._trial_id, name, distribution.to_internal_repr(value), distribution)


def report(trial: Trial, epoch: int, value: float) -> None:
    """As Trial.report, which refuses a study of several objectives."""
    trial.storage.set_trial_intermediate_value(trial._trial_id, epoch, value)


def succeed(former: BaseSampler, sampler: BaseSampler) -> BaseSampler:
    """`sampler`, told by its predecessor which symbols all trials have: finding that anew would read every trial."""
    if type(former) is type(sampler) and (known := getattr(former, "_search_space", None)):
        vars(sampler)["_search_space"] = known
    return sampler
