"""What must never change by itself: the forward pass and the weights' names of every published formula, once released.

`python tests/test_frozen.py` writes the digests anew; a change of one is a change of what saved weights mean.
"""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.formula.published import atlas, bind_formula
from formulanas.network.network import Network

FILE = Path(__file__).parent / "golden" / "networks.json"
SMALL, LARGE = (3, 16, 16), (3, 64, 64)
BACKBONES = {
    "basic": (Backbone((8, 16), (3, 2), growth=4), SMALL),
    "large images": (Backbone((8, 16, 32), (2, 1, 2), growth=4, activation="silu", stem_width=12), LARGE),
    "squeezed bottlenecks": (Backbone((16, 32), (2, 2), transform="bottleneck", cardinality=2, squeeze=4), SMALL),
    "pre-activation": (Backbone((8, 16), (3, 2), transform="preactivation", stem_width=4), SMALL),
    "pre-activated bottlenecks": (Backbone((16, 32), (2, 2), transform="preactivation_bottleneck"), SMALL),
    "res2net": (Backbone((16, 32), (2, 2), transform="res2net", ratio=0.5, scale=4), SMALL),
    "paths": (Backbone((16, 32), (2, 2), transform="resnext_paths", ratio=0.5, cardinality=2), SMALL),
    "dense": (Backbone((8, 8), (3, 3), transform="dense", growth=4), SMALL),
    "mobile": (Backbone((8, 16), (2, 2), transform="mbconv", activation="silu", head_width=32, kernels=(3, 5)), SMALL),
    "biased": (Backbone((8, 16), (3, 2), conv_bias=True, shortcut_norm=False, transform="inception", ratio=0.5), SMALL),
}


def frozen(name: str) -> dict[str, list[object]]:
    """By backbone: digests of the forward pass and of the weights' names and shapes, parameters, and MACs."""
    found: dict[str, list[object]] = {}
    for backbone, (value, image) in BACKBONES.items():
        try:
            architecture = Architecture(bind_formula(name), value, image, 10)
            with torch.device("meta"):
                state = Network(architecture).state_dict()
        except InputError as error:
            found[backbone] = [str(error)]
            continue
        plan = architecture.plan
        names = "\n".join(f"{key} {tuple(weight.shape)}" for key, weight in state.items())
        found[backbone] = [_digest(plan.source()), _digest(names), plan.num_params, plan.macs]
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


FROZEN: dict[str, dict[str, list[object]]] = json.loads(FILE.read_text()) if FILE.is_file() else {}
SAID = [name for name, entry in atlas().items() if not entry.reason]


@pytest.mark.parametrize("name", SAID)
def test_published_networks_stay_what_they_are(name: str) -> None:
    """Sources, weights and counts over ten backbones are those that were written when the formula was published."""
    assert frozen(name) == FROZEN[name]


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(frozen(name))}" for name in SAID]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
