"""What was measured on a trained network, for a reader: its lesions, and its gradient by path length."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from formulanas.progress import Line

BAR_WIDTH = 40
SOURCES = ("predicted", "measured", "sampled")


def measured_lines(measured: Mapping[str, Any]) -> Iterator[Line]:
    """The result of `measure` in two tables."""
    yield f"\nlesions: {100 * measured['accuracy']:.1f} % of {measured['images']:,} training images are right; without"
    for lesion in measured["lesions"]:
        bar = "█" * round(BAR_WIDTH * lesion["accuracy"])
        yield f"{lesion['block']:>16}  {100 * lesion['accuracy']:5.1f} %  {bar}"
    yield f"\ngradient at the stem, by residual functions passed; predicted with {measured['weight']:.3g} a function"
    yield " " * 6 + "".join(f"{name:>12}" for name in SOURCES)
    columns = [[f"{100 * share:.1f} %" for share in measured["shares"][name]] for name in SOURCES]
    for length, shares in enumerate(zip_longest(*columns, fillvalue="")):
        yield f"{length:>6}" + "".join(f"{share:>12}" for share in shares)
    ranges = [f"{first} to {last}" for first, last in (measured["effective_range"][name] for name in SOURCES)]
    yield "  90 %" + "".join(f"{text:>12}" for text in ranges)
    yield "measured: all paths of a length together; sampled: single choices of blocks, times their number"
