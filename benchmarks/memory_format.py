"""Modules in a memory format, of which torch's types for `Module.to` know nothing."""

from typing import TypeVar

import torch
from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


def laid_out(module: Kind, layout: torch.memory_format) -> Kind:
    """The module itself, its weights of four dimensions now in the memory format `layout`."""
    return module.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]
