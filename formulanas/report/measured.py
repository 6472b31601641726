"""What was measured on a trained network, for a terminal: its lesions, and its gradient by path length."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from rich.console import Console

BAR_WIDTH = 40
SOURCES = ("predicted", "measured", "sampled")


def print_measured(console: Console, measured: Mapping[str, Any]) -> None:
    """The result of `measure` in two tables."""

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"\nlesions: {100 * measured['accuracy']:.1f} % of {measured['images']:,} training images are right; without")
    for each in measured["lesions"]:
        bar = "█" * round(BAR_WIDTH * each["accuracy"])
        say(f"{each['block']:>16}  {100 * each['accuracy']:5.1f} %  {bar}")
    say(f"\ngradient at the stem, by residual functions passed; predicted with {measured['weight']:.3g} a function")
    say(" " * 6 + "".join(f"{name:>12}" for name in SOURCES))
    columns = [[f"{100 * share:.1f} %" for share in measured["shares"][name]] for name in SOURCES]
    for length, shares in enumerate(zip_longest(*columns, fillvalue="")):
        say(f"{length:>6}" + "".join(f"{share:>12}" for share in shares))
    ranges = [f"{first} to {last}" for first, last in (measured["effective_range"][name] for name in SOURCES)]
    say("  90 %" + "".join(f"{each:>12}" for each in ranges))
    say("measured: all paths of a length together; sampled: single choices of blocks, times their number")
