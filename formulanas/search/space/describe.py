"""What `space` prints: a space file's symbols, points, samples and the exact number of its architectures."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from formulanas.errors import InputError
from formulanas.formula.bind import Value
from formulanas.formula.published import published_names
from formulanas.progress import Progress
from formulanas.records import to_plain
from formulanas.search.space.document import read_space
from formulanas.search.space.space import Space, draw


def describe_space(
    path: Path, overrides: Mapping[str, str], num_samples: int, count: bool, progress: Progress
) -> dict[str, Any]:
    """The facts of a space file, as `space --json` prints them; `size` is null where it is infinite or not counted."""
    document = read_space(path, overrides)
    space = document.space
    names = published_names()
    points = {}
    for name, values in space.points.items():
        bound = space.bind(values)
        points[name] = {"formula": bound.text, "key": bound.key, "published": names.get(bound.key)}
    generator = random.Random(0)
    samples = [space.choose(lambda _, domain: draw(domain, generator)) for _ in range(num_samples)]
    return {
        "space": str(path),
        "description": document.description,
        "formula": document.formula.strip(),
        "symbols": to_plain(document.symbols),
        "points": points,
        "size": _size(space, progress) if count and space.is_finite() else None,
        "finite": space.is_finite(),
        "samples": [_text(space, sample) for sample in samples],
    }


def _size(space: Space, progress: Progress) -> int:
    keys = set()
    with progress.working(None):
        for count, values in enumerate(space.bindings(), 1):
            try:
                keys.add(space.bind(values).key)
            except InputError:
                continue  # a binding without meaning, such as a state of no terms
            if count % 1000 == 0:
                progress.status(f"counting: {count:,} bindings, {len(keys):,} architectures")
    return len(keys)


def _text(space: Space, values: Mapping[str, Value]) -> str:
    try:
        return space.bind(values).text
    except InputError as error:
        return f"no architecture: {error}"
