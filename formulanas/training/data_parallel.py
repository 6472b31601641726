"""One training by several processes, each on its part of every batch, which share gradients and counts.

All draw the same order of the images from (seed, epoch), so that any number of processes trains on the same batches
and may go on from the checkpoint of any other number. Batch norms take their statistics from the images of their own
process, and those of the first are kept: this alone, and what is drawn for each image, depends on the number.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from formulanas.data.images import WHOLE
from formulanas.errors import InputError
from formulanas.network.network import Network
from formulanas.training.training import Training


@dataclass(frozen=True)
class Place:
    """The process `rank` of the `number` that train together; on a GPU where there is one, unless `device` says."""

    rank: int = 0
    number: int = 1
    device: torch.device | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and evaluates."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """What of each batch it trains on."""
        return WHOLE if self.number == 1 else slice(self.rank, None, self.number)


ALONE = Place()


def distribute(training: Training) -> None:
    """Trains with the other processes of the group of torch.distributed, from the weights that the first one has.

    Raises InputError where the last batch of an epoch has not an image for each.
    """
    number, size = distributed.get_world_size(), training.recipe.batch_size
    last = len(training.images) - (training.steps_an_epoch - 1) * size
    if last < number:
        raise InputError(
            f"each of {number} workers must have an image of every batch, but the last of {len(training.images):,} "
            f"images in batches of {size} has {last}; choose fewer --workers or another batch_size"
        )
    for name in idle_modules(training.network):  # no gradient will come, and none is waited for
        training.network.get_submodule(name).requires_grad_(False)
    parallel = DistributedDataParallel(training.network)
    training.forward, training.unsynchronised, training.added_up = parallel, parallel.no_sync, _added_up


def idle_modules(network: Network) -> list[str]:
    """The modules of histories that are still zero: they belong to the published counts, but nothing calls them."""
    return sorted(network.architecture.plan.idle_modules)


def _added_up(counts: Tensor) -> Tensor:
    distributed.all_reduce(counts)
    return counts
