"""Trials for a search: a sampler's proposals put to the study, each a candidate that the study does not know yet."""

import random
from collections.abc import Collection
from typing import cast

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState
from threadpoolctl import ThreadpoolController

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Candidates, Choices, draw
from formulanas.search.samplers.catalogue import OptunaSampler, Propose
from formulanas.search.samplers.history import read_history
from formulanas.search.space.space import Domain
from formulanas.search.study.study import begin, distribution
from formulanas.seeds import derive_seed


class Proposer:
    """Asks a study for trials by a sampler; all its memory is the study, and its chance the trials' number."""

    def __init__(self, study: optuna.Study, space: Choices, sampler: Propose | OptunaSampler, seed: int) -> None:
        self.study, self.seed, self.sampler = study, seed, sampler
        if len(study.directions) > 1 and isinstance(sampler, OptunaSampler) and not sampler.several:
            raise InputError("the sampler cmaes has one objective; choose another (search.sampler)")
        self.candidates = Candidates(space)
        self.threads = ThreadpoolController()
        self.exhausted = False

    def ask(self) -> Trial | None:
        """The next trial: what waits in the queue, then what the sampler proposes; None where nothing is new."""
        with self.threads.limit(limits=1, user_api="blas"):  # the other cores train, and small matrices gain nothing
            return self.propose()

    def propose(self) -> Trial | None:
        trials = self.study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return self.study.ask()
        if self.exhausted:
            return None
        seed = derive_seed(self.seed, "sampler", len(trials))
        generator = random.Random(seed)
        if isinstance(self.sampler, OptunaSampler):
            known = {trial.user_attrs["key"] for trial in trials if "key" in trial.user_attrs}
            self.study.sampler = _succeed(self.study.sampler, self.sampler.make(seed % 2**32))
            return self.propose_by_optuna(known, generator)
        values = self.sampler(self.candidates, read_history(self.study, generator), generator)
        return begin(self.study, values, self.candidates.domain) if values is not None else None

    def propose_by_optuna(self, known: Collection[str], generator: random.Random) -> Trial | None:
        """A trial by the study's sampler; what that names again is changed, a symbol at a time, until it is new."""
        trial = self.study.ask()
        frozen = trial.storage.get_trial(trial._trial_id)

        def value(name: str, domain: Domain) -> Value:
            if not self.candidates.has_others(name):
                return draw(domain, generator)
            if name in trial.relative_params:
                return cast(Value, trial.relative_params[name])
            return cast(Value, self.study.sampler.sample_independent(self.study, frozen, name, distribution(domain)))

        values = self.candidates.new_near(self.candidates.space.choose(value), known, generator)
        if values is None:
            trial.set_user_attr("reason", "the space has nothing new")
            self.study.tell(trial, state=TrialState.PRUNED)
            self.exhausted = True
            return None
        trial._fixed_params = values  # as of a trial that was enqueued
        return trial


def _succeed(former: BaseSampler, sampler: BaseSampler) -> BaseSampler:
    """`sampler`, told by its predecessor which symbols all trials have: finding that anew would read every trial."""
    if type(former) is type(sampler) and (known := getattr(former, "_search_space", None)):
        vars(sampler)["_search_space"] = known
    return sampler
