"""Checkpoints of a training: written whole or not at all, the one before kept, read without running code."""

from pathlib import Path
from typing import Any

import torch

CURRENT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes `state` as the newest checkpoint in `folder`; the newest so far becomes the one before."""
    temporary = folder / f".{CURRENT}"
    torch.save(state, temporary)
    if (folder / CURRENT).exists():
        (folder / CURRENT).replace(folder / PREVIOUS)
    temporary.replace(folder / CURRENT)


def load(folder: Path, device: torch.device) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest checkpoint that can be read, None where there is none, and a message for each that cannot."""
    messages: list[str] = []
    for name in (CURRENT, PREVIOUS):
        if (folder / name).exists():
            try:
                state: dict[str, Any] = torch.load(folder / name, map_location=device, weights_only=True)
                return state, messages
            except Exception as error:  # torch raises whatever a broken file leads it to
                messages.append(
                    f"{folder / name} cannot be read ({type(error).__name__}: {error}); the one before is used"
                )
    return None, messages


def remove(folder: Path) -> None:
    """Removes the checkpoints of a training that is done."""
    for name in (CURRENT, PREVIOUS, f".{CURRENT}"):
        (folder / name).unlink(missing_ok=True)
