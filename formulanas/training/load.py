"""A retrained model read back from its folder: the network with its trained weights, and what it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from formulanas.errors import InputError
from formulanas.network.network import Network, build
from formulanas.store.models import RETRAIN_FILE, read_model


@dataclass(frozen=True)
class Retrained:
    """A trained network in evaluation mode, the name of its data set, and the folder in which that lies."""

    network: Network
    dataset: str
    data_dir: Path


def load_retrained(target: str | Path, device: torch.device | None = None) -> Retrained:
    """The model in the folder `target`, on `device` or else on a GPU where there is one.

    Raises InputError for anything but the folder of a retraining that is done.
    """
    model = read_model(target)
    network = build(model.settings.architecture, seed=0)
    network.load_state_dict(_read_weights(model.weights_file, network))
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Retrained(network.to(device).eval(), model.settings.dataset, Path(model.settings.data_dir))


def _read_weights(path: Path, network: Network) -> dict[str, Any]:
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a broken file leads it to
        raise InputError(f"{path} cannot be read ({type(error).__name__}: {error}); retrain the model") from None
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in weights.items()}:
        raise InputError(f"{path} has other weights than the formula and backbone in its {RETRAIN_FILE}")
    return weights
