"""A trial of the study: what is kept of it beside its values and accuracies, while it is under way and at its end."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack, cast

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from formulanas.formula.bind import Value
from formulanas.search.samplers.candidates import Choices, Values
from formulanas.search.space.settings import MEASURED
from formulanas.search.space.space import Domain, Range
from formulanas.search.study.optuna_private import give_value, report, trial_to_tell
from formulanas.store.trials import State, TrialRecord

FIGURES = ("params", "macs", "growth", "variance", "backbone")


class Facts(TypedDict, total=False):
    """The user attributes of a trial; a TrialRecord says what they mean."""

    point: str
    key: str
    formula: str
    figures: dict[str, Any]  # the FIGURES in one attribute: each costs a transaction
    beyond: str
    latency: float
    memory: float
    seconds: float
    duplicate_of: int
    reason: str


class OpenTrial:
    """A trial under way. What is kept of it is on disk before it is acted on; `epochs` are its accuracies so far."""

    def __init__(self, trial: optuna.Trial, epochs: tuple[float, ...] = ()) -> None:
        self.trial, self.epochs, self.number = trial, list(epochs), trial.number
        self.facts = cast(Facts, trial.user_attrs)
        self.duplicates: list[OpenTrial] = []  # that wait for its result

    @property
    def point(self) -> str | None:
        """The named point that it is."""
        return self.facts.get("point")

    @property
    def key(self) -> str | None:
        """The key of its architecture, once that is known."""
        return self.facts.get("key")

    @property
    def duplicate_of(self) -> int | None:
        """The earlier trial of the same architecture, if there is one."""
        return self.facts.get("duplicate_of")

    @property
    def values(self) -> Values:
        """The values of the symbols so far."""
        return cast(Values, self.trial.params)

    def choose(self, space: Choices) -> Values:
        """Its binding: the values that it began with, and what the study's sampler says where they lack one."""
        return space.choose(lambda name, domain: suggest(self.trial, name, domain))

    def give(self, values: Values, domain_of: Callable[[str], Domain]) -> None:
        """Gives it values, whatever Optuna's sampler would say."""
        for name, value in values.items():
            give_value(self.trial, name, value, distribution(domain_of(name)))
        self.trial = trial_to_tell(self.trial.study, self.trial)

    def keep(self, **facts: Unpack[Facts]) -> None:
        """Keeps facts in the study."""
        for name, value in facts.items():
            self.trial.set_user_attr(name, value)
        self.facts.update(facts)

    def keep_costs(self, costs: Mapping[str, float]) -> None:
        """Keeps a measured latency and memory."""
        self.keep(**cast(Facts, costs))

    def keep_figures_of(self, known: TrialRecord) -> None:
        """Keeps what is known of another trial of the same architecture."""
        if known.params is not None:
            self.keep(figures={name: getattr(known, name) for name in FIGURES})
        self.keep_costs({name: cost for name in MEASURED if (cost := getattr(known, name)) is not None})

    def report(self, accuracy: float) -> None:
        """Keeps the accuracy after the next epoch."""
        self.epochs.append(accuracy)
        report(self.trial, len(self.epochs), accuracy)


def record_of(trial: FrozenTrial) -> TrialRecord:
    """The record of a trial that has ended."""
    epochs = epochs_of(trial)
    facts = {name: value for name, value in trial.user_attrs.items() if name in Facts.__annotations__}
    figures = facts.pop("figures", {})
    return TrialRecord(
        number=trial.number,
        state=cast(State, trial.state.name),
        value=trial.values[0] if trial.state == TrialState.COMPLETE else epochs[-1] if epochs else None,
        epochs=epochs,
        values=trial.params,
        **facts,
        **figures,
    )


def epochs_of(trial: FrozenTrial) -> tuple[float, ...]:
    """The accuracies after each epoch."""
    return tuple(trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values))


def suggest(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    """The value of one symbol in a trial: the one that it began with, or what the study's sampler says."""
    match distribution(domain):
        case IntDistribution() as whole:
            return trial.suggest_int(name, whole.low, whole.high, step=whole.step, log=whole.log)
        case FloatDistribution() as real:
            return trial.suggest_float(name, real.low, real.high, step=real.step, log=real.log)
        case CategoricalDistribution() as listed:
            return cast(Value, trial.suggest_categorical(name, listed.choices))


def distribution(domain: Domain) -> IntDistribution | FloatDistribution | CategoricalDistribution:
    """A domain as Optuna knows it."""
    match domain:
        case Range(low, high, step, log) if domain.whole:
            return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
        case Range(low, high, step, log):
            return FloatDistribution(low, high, log=log, step=step)
        case _:
            return CategoricalDistribution(domain)
