"""Trials for a search: a sampler's proposals put to the study, each a candidate that the study does not know yet."""

import random

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState
from threadpoolctl import ThreadpoolController

from formulanas.errors import InputError
from formulanas.search.samplers.candidates import Candidates, Choices
from formulanas.search.samplers.catalogue import OptunaSampler, Propose, find_sampler
from formulanas.search.samplers.history import read_history
from formulanas.search.study import begin
from formulanas.seeds import derive_seed

MAX_REPEATS = 4  # of what is known, by one of Optuna's samplers, before a random candidate is taken


class Proposer:
    """Asks a study for trials by a sampler; all its memory is the study, and its chance the trials' number."""

    def __init__(self, study: optuna.Study, space: Choices, sampler: Propose | OptunaSampler, seed: int) -> None:
        self.study, self.seed, self.sampler = study, seed, sampler
        if len(study.directions) > 1 and isinstance(sampler, OptunaSampler) and not sampler.several:
            raise InputError("the sampler cmaes has one objective; choose another (search.sampler)")
        self.candidates = Candidates(space)
        self.threads = ThreadpoolController()

    def ask(self) -> Trial | None:
        """The next trial: what waits in the queue, then what the sampler proposes; None where nothing is new."""
        with self.threads.limit(limits=1, user_api="blas"):  # the other cores train, and small matrices gain nothing
            return self.propose()

    def propose(self) -> Trial | None:
        trials = self.study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return self.study.ask()
        seed = derive_seed(self.seed, "sampler", len(trials))
        if isinstance(self.sampler, OptunaSampler):
            self.study.sampler = _succeed(self.study.sampler, self.sampler.make(seed % 2**32))
            latest = trials[-MAX_REPEATS:]
            if len(latest) < MAX_REPEATS or not all(_is_repeat(trial) for trial in latest):
                return self.study.ask()
        propose = find_sampler("random") if isinstance(self.sampler, OptunaSampler) else self.sampler
        assert not isinstance(propose, OptunaSampler)
        generator = random.Random(seed)
        values = propose(self.candidates, read_history(self.study, generator), generator)
        if values is None:
            return None
        return begin(self.study, values, self.candidates.domain)


def _is_repeat(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a proposal named an architecture that was known, or none."""
    return "duplicate_of" in trial.user_attrs or "key" not in trial.user_attrs


def _succeed(former: BaseSampler, sampler: BaseSampler) -> BaseSampler:
    """`sampler`, told by its predecessor which symbols all trials have: finding that anew would read every trial."""
    if type(former) is type(sampler) and (known := getattr(former, "_search_space", None)):
        vars(sampler)["_search_space"] = known
    return sampler
