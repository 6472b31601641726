"""A tiny search: its space, the command that runs it in a folder, and the documents that it leaves there."""

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from formulanas.cli.main import main

TINY_SPACE = """
formula: |
  f[n] = F[n](x[n-1])
  x[n] = h(sum(a[i] * x[n-i], (i, 1, p)) + f[n]) + sum(b[i] * f[n-i], (i, 1, q))
symbols:
  h: [relu, identity]
  p: [0, 1, 2]
  a: [-0.5, 1, 2]
  q: [0, 1]
  b: [-1, 1]
points:
  plain: {h: relu, p: 0, q: 0}
  resnet: {h: relu, p: 1, "a[1]": 1, q: 0}
proxy:
  dataset: cifar10-mini
  held_out: 0.8
  backbone: {widths: [4, 8], depths: [1, 1], stem_stride: 4}
  recipe: {epochs: 2, batch_size: 250, learning_rate: 0.1}
search: {trials: 5}
limits: {growth: 1.9}
confirm: {top: 2, seeds: 2, factor: 1.0}
"""

Command = Callable[..., Result]


def command_in(folder: Path) -> Command:
    """The command, run in `folder`, which gets the tiny space as space.yaml; in this process, as that takes a moment."""
    (folder / "space.yaml").write_text(TINY_SPACE)

    def run(*arguments: str) -> Result:
        with chdir(folder):
            return CliRunner().invoke(main, arguments)

    return run


def leaderboard(folder: Path, run: str) -> dict[str, Any]:
    """The leaderboard document of a run, without the times."""
    document: dict[str, Any] = json.loads((folder / "runs" / run / "leaderboard.json").read_text())
    for row in [*document["rows"], document["best"]]:
        del row["seconds"]
    del document["finished"], document["run"]
    return document


def trials(folder: Path, run: str) -> list[dict[str, Any]]:
    """The trial documents of a run."""
    return [json.loads(path.read_text()) for path in sorted((folder / "runs" / run).glob("trials/*/trial.json"))]
