"""Trials for a search: a sampler's proposals put to the study, each a candidate that the study does not know yet."""

import random
from typing import cast

import optuna
from threadpoolctl import ThreadpoolController

from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Candidates, Choices
from formulanas.search.samplers.catalogue import OptunaSampler, Propose
from formulanas.search.space.space import Domain, draw
from formulanas.search.study.optuna_private import succeed
from formulanas.search.study.study import Study
from formulanas.search.study.trial import OpenTrial, distribution
from formulanas.seeds import derive_seed


class Proposer:
    """Asks a study for trials by a sampler; all its memory is the study, and its chance the trials' number."""

    def __init__(self, study: Study, space: Choices, sampler: Propose | OptunaSampler, seed: int) -> None:
        self.study, self.seed, self.sampler = study, seed, sampler
        self.candidates = Candidates(space)
        self.threads = ThreadpoolController()
        self.exhausted = False

    def ask(self) -> OpenTrial | None:
        """The next trial: what waits in the queue, then what the sampler proposes; None where nothing is new."""
        if self.study.num_waiting:
            return self.study.ask()
        if self.exhausted:
            return None
        with self.threads.limit(limits=1, user_api="blas"):  # the other cores train, and small matrices gain nothing
            return self._propose()

    def _propose(self) -> OpenTrial | None:
        seed = derive_seed(self.seed, "sampler", self.study.num_trials)
        generator = random.Random(seed)
        if isinstance(self.sampler, OptunaSampler):
            self.study.optuna.sampler = succeed(self.study.optuna.sampler, optuna_sampler(self.sampler, seed))
            return self._propose_by_optuna(generator)
        values = self.sampler(self.candidates, self.study.history(generator), generator)
        return self.study.begin(values, self.candidates.domain) if values is not None else None

    def _propose_by_optuna(self, generator: random.Random) -> OpenTrial | None:
        """A trial by Optuna's sampler; what that names again is changed, a symbol at a time, until it is new."""
        study, known = self.study.optuna, self.study.keys
        opened = self.study.ask()
        trial, frozen = opened.trial, study.get_trials(deepcopy=False)[-1]

        def value(name: str, domain: Domain) -> Value:
            if not self.candidates.has_others(name):
                return draw(domain, generator)
            if name in trial.relative_params:
                return cast(Value, trial.relative_params[name])
            return cast(Value, study.sampler.sample_independent(study, frozen, name, distribution(domain)))

        values = self.candidates.new_near(self.candidates.space.choose(value), known, generator)
        if values is None:
            self.study.end(opened, "PRUNED", "the space has nothing new")
            self.exhausted = True
            return None
        opened.give(values, self.candidates.domain)
        return opened


def optuna_sampler(sampler: OptunaSampler, seed: int) -> optuna.samplers.BaseSampler:
    """Optuna's sampler itself."""
    made: optuna.samplers.BaseSampler = getattr(optuna.samplers, sampler.name)(seed=seed % 2**32, **sampler.settings)
    return made
