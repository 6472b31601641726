"""The audit of a search: how far its proxy, its predictors and its winner are to be trusted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from formulanas.statistics.agreement import Agreement, agreement
from formulanas.statistics.leaderboard import Contender, accuracies, paired
from formulanas.store.trials import ConfirmationRecord, TrialRecord, completed


@dataclass(frozen=True)
class Audit:
    """`proxy` compares proxy and confirmation; `predictors` compare guesses before training with the proxy.

    `probabilities` are those that the winner is better than each confirmed named candidate. `average` is the mean,
    deviation and number of the candidates drawn at random, at the proxy. `random_arm` compares the winner with that of
    an equally costly random search.
    """

    proxy: Agreement | None
    predictors: dict[str, Agreement] = field(default_factory=dict)
    probabilities: dict[str, float] = field(default_factory=dict)
    average: tuple[float, float, int] | None = None
    random_arm: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The audit as documents hold it."""
        return asdict(self)

    def statements(self) -> Iterator[str]:
        """What may be said, a sentence a finding."""
        if self.proxy is not None:
            beside = f"the proxy's order of {self.proxy.n} confirmed candidates beside their means"
            yield f"{beside}: {self.proxy.statement}"
        for name, probability in self.probabilities.items():
            yield f"the winner is better than {name} with probability {probability:.2f}"
        if self.average is not None:
            mean, deviation, n = self.average
            yield f"the average architecture has {100 * mean:.1f} ± {100 * deviation:.1f} % at the proxy (n = {n})"
        if self.random_arm is not None:
            mean = 100 * self.random_arm["mean"]
            yield f"random search of the same cost: {mean:.1f} % confirmed; {self.random_arm['verdict']}"
        for name, order in sorted(self.predictors.items(), key=lambda pair: -abs(pair[1].tau)):
            yield f"{name:<12} before training: {order.statement}"


def proxy_agreement(trials: Iterable[TrialRecord], confirmations: Iterable[ConfirmationRecord]) -> Agreement | None:
    """The proxy's order of the confirmed candidates beside that of their confirmed means."""
    confirmed = accuracies(confirmations)
    proxies = {trial.key: trial.value for trial in completed(trials) if trial.key in confirmed}
    return agreement(list(proxies.values()), [fmean(confirmed[key].values()) for key in proxies])


def winner_probabilities(
    contenders: Sequence[Contender], confirmations: Iterable[ConfirmationRecord]
) -> dict[str, float]:
    """The probability that the winner is better than each confirmed named contender, by name."""
    values = accuracies(confirmations)
    probabilities = {}
    for rival in contenders[1:]:
        if rival.name and rival.confirmed:
            pair = paired("winner", rival.name, values.get(contenders[0].key, {}), values[rival.key])
            if pair and (probability := pair.probability("winner")) is not None:
                probabilities[rival.name] = probability
    return probabilities
