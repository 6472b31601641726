"""The effective range: how the gradient is spread over paths by their length (Veit et al. 2016, 1605.06431)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from formulanas.analysis.paths import Coefficient
from formulanas.errors import InputError

HELD = 0.9


@dataclass(frozen=True)
class EffectiveRange:
    """`shares[k]` of the gradient come through k residual functions; `shortest` to `longest` hold 90 % of it."""

    shares: tuple[float, ...]
    shortest: int
    longest: int


def predict_range(lengths: Sequence[Coefficient], weight: float) -> EffectiveRange:
    """The range of paths that are `lengths[k]` of length k, each residual function scaling the gradient by `weight`.

    Signed counts are net: paths that cancel carry nothing. Exact for counts of any size.
    """
    if not 0 < weight < math.inf:
        raise InputError(f"0 < weight must hold for the gradient through one residual function, but got {weight}")
    logarithms = [
        math.log(abs(count)) + length * math.log(weight) if count else -math.inf for length, count in enumerate(lengths)
    ]
    largest = max(logarithms, default=-math.inf)
    return effective_range([0.0 if largest == -math.inf else math.exp(each - largest) for each in logarithms])


def effective_range(gradient: Sequence[float]) -> EffectiveRange:
    """The range of a gradient of magnitude `gradient[k]` through paths of length k: the narrowest that holds 90 %."""
    total = math.fsum(gradient)
    if not 0 < total < math.inf:
        raise InputError(f"the gradient over all path lengths must be positive and finite, but its sum is {total}")
    shares = tuple(each / total for each in gradient)
    for width in range(1, len(shares) + 1):
        held, first = max(
            (math.fsum(shares[first : first + width]), -first) for first in range(len(shares) - width + 1)
        )
        if held >= HELD - 1e-12:
            return EffectiveRange(shares, -first, -first + width - 1)
    raise AssertionError("all lengths together hold the whole gradient")
