"""A ranked list of candidates, made once and kept in a file: the best that is new, then random ones."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from formulanas.records import write_json
from formulanas.search.samplers.candidates import Candidates, Values
from formulanas.search.samplers.history import History


def ranked(
    path: Path, make: Callable[[], list[Values]]
) -> Callable[[Candidates, History, random.Random], Values | None]:
    """A sampler that proposes what `make` lists, best first; the list is made on the first proposal, and read later."""

    def propose(candidates: Candidates, history: History, generator: random.Random) -> Values | None:
        if not path.is_file():
            write_json(path, {"schema": 1, "bindings": make()})
        bindings: list[Values] = json.loads(path.read_text())["bindings"]
        found = candidates.first_new(iter(bindings), history.known)
        return found or candidates.unseen(history.known, generator)

    return propose
