"""What a variable of a forward pass holds at initialisation, as draws of its units, channels side by side."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from formulanas.errors import InputError

Draws = NDArray[np.float64]

NORM_EPSILON = 1e-5
MAX_GROUPS = 1_000


@dataclass(frozen=True)
class Signal:
    """What a variable holds: groups of channels side by side, draws of a unit of each, and the size of an image.

    `steady` is the share of the mean square, right behind a convolution, that all places and images have in common.
    """

    channels: tuple[int, ...]
    draws: tuple[Draws, ...]
    size: tuple[int, int]
    steady: float | None = None

    @property
    def width(self) -> int:
        """The number of channels."""
        return sum(self.channels)

    @property
    def variance(self) -> float:
        """Over all units."""
        return max(0.0, self.mean_square - self.mean * self.mean)

    @property
    def mean(self) -> float:
        """Over all units."""
        return self._over_units(lambda draws: float(draws.sum()) / len(draws))

    @property
    def mean_square(self) -> float:
        """Over all units."""
        return self._over_units(mean_square)

    def _over_units(self, statistic: Callable[[Draws], float]) -> float:
        parts = zip(self.channels, self.draws, strict=True)
        return sum(channels * statistic(draws) for channels, draws in parts) / self.width

    def map(self, function: Callable[[Draws], Draws]) -> "Signal":
        """`function` of every unit."""
        return replace(self, draws=tuple(map(function, self.draws)), steady=None)

    def between(self, start: int, stop: int) -> "Signal":
        """The channels from `start` to before `stop`.

        Channels of one group have the same draws where they are the same channels, and independent ones elsewhere.
        """
        channels, chosen, first = [], [], 0
        for width, draws in zip(self.channels, self.draws, strict=True):
            low, high = max(start, first), min(stop, first + width)
            if low < high:
                offset = low - first
                channels.append(high - low)
                chosen.append(np.random.default_rng(offset).permutation(draws) if offset else draws)
            first += width
        return Signal(tuple(channels), tuple(chosen), self.size)


def joined(signals: Sequence[Signal]) -> Signal:
    """The channels of several signals side by side."""
    channels = tuple(channels for signal in signals for channels in signal.channels)
    if len(channels) > MAX_GROUPS:
        raise InputError(f"the variance of more than {MAX_GROUPS:,} groups of channels side by side is not predicted")
    return Signal(channels, tuple(draws for signal in signals for draws in signal.draws), signals[0].size)


def together(signals: Sequence[Signal], function: Callable[[list[Draws]], Draws]) -> Signal:
    """`function` of the units of several signals, where a signal of one channel is for all channels of the others."""
    widest = max(signals, key=lambda signal: signal.width)
    ends = sorted({end for signal in signals if signal.width > 1 for end in np.cumsum(signal.channels).tolist()} or {1})
    starts = [0, *ends[:-1]]
    draws = [function([_draws_at(signal, start) for signal in signals]) for start in starts]
    channels = tuple(end - start for start, end in zip(starts, ends, strict=True))
    size = max(signals, key=lambda signal: signal.size).size
    return Signal(channels if widest.width > 1 else (1,), tuple(draws), size)


def _draws_at(signal: Signal, channel: int) -> Draws:
    """The draws of one channel, or of all where there is one."""
    if signal.width == 1:
        return signal.draws[0]
    ends = np.cumsum(signal.channels)
    return signal.draws[int(np.searchsorted(ends, channel, side="right"))]


def averaged(signal: Signal, places: int) -> Signal:
    """The mean over so many places, which are independent but for what is the same at all of them."""
    if signal.steady is not None:  # right behind a convolution, whose output has no mean over its weights
        factor = math.sqrt(signal.steady + (1 - signal.steady) / places)
        return replace(signal, draws=tuple(factor * draws for draws in signal.draws))
    return signal.map(lambda draws: draws.mean() + (draws - draws.mean()) / math.sqrt(places))


def normalised(draws: Draws) -> Draws:
    """`draws` as a batch norm returns them."""
    centred: Draws = draws - draws.sum() / len(draws)
    return centred / math.sqrt(mean_square(centred) + NORM_EPSILON)


def mean_square(draws: Draws) -> float:
    """The mean of the squares of draws."""
    return float(draws @ draws) / len(draws)
