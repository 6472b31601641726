"""A search space for a reader: its formula, its symbols, its points, and a few samples."""

from collections.abc import Iterator, Mapping
from typing import Any

from formulanas.progress import Line, Styled


def space_lines(facts: Mapping[str, Any]) -> Iterator[Line]:
    """The facts of a space file, as `describe_space` gives them."""
    yield Styled(facts["space"], "bold"), f"  {facts['description']}"
    for line in facts["formula"].splitlines():
        yield f"    {line}"
    for name, domain in facts["symbols"].items():
        text = ", ".join(map(str, domain)) if isinstance(domain, list) else f"{domain['low']} to {domain['high']}"
        yield f"  {name:<4} {text}"
    size = f"{facts['size']:,} distinct architectures" if facts["size"] is not None else "not counted"
    yield f"size  {size if facts['finite'] else 'infinite: some symbols are real numbers'}"
    for title, entries in (("points", facts["points"]), ("samples", dict(enumerate(facts["samples"], 1)))):
        yield title
        for name, entry in entries.items():
            yield f"  {name!s:<15} {entry if isinstance(entry, str) else entry['formula']}"
