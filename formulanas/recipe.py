"""Recipes: how a network is trained, as data that checks itself, and the named ones."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from formulanas.errors import InputError, unknown_name
from formulanas.records import digest, from_mapping, read_yaml

Pair = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """An optimizer over `epochs`; learning rates follow the schedule step by step.

    `one-cycle` rises linearly to its peak at the share `warmup` of all steps and falls linearly to zero; `cosine` falls
    from the first step, `warmup-cosine` from the share `warmup`; `steps` multiplies by `factors` (one for each, or one
    for all) when so many epochs are done as `milestones` say. Images held in memory are cropped at random after padding
    by `crop_padding` pixels; images that are decoded are cut to `image_size`, which stands for their own crops.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: Literal["one-cycle", "cosine", "warmup-cosine", "steps"] = "cosine"
    warmup: float = 0.25
    label_smoothing: float = 0.0
    crop_padding: int = 4
    flip: bool = True
    norm_momentum: float = 0.1  # of the running statistics of batch norms
    optimizer: Literal["sgd", "adam", "lamb"] = "sgd"
    milestones: tuple[float, ...] = ()  # epochs done
    factors: tuple[float, ...] = (0.1,)
    decayed: Literal["everything", "weights", "kernels"] = "everything"  # weights: no norms, biases; kernels: convs
    trained: Literal["everything", "head-and-norms"] = "everything"
    loss: Literal["cross-entropy", "binary"] = "cross-entropy"
    average: float = 0.0  # the decay a step of an exponential moving average of the weights; 0: none
    padding: Literal["zero", "edge"] = "zero"  # what a crop beyond the image shows
    cutout: int = 0  # pixels a side of a square that is blanked
    mixup: float = 0.0  # alpha of its beta distribution (1710.09412); 0: none
    cutmix: float = 0.0  # the same of 1905.04899; with both, each takes half of the batches
    erasing: float = 0.0  # the probability that a rectangle is blanked (1708.04896)
    image_size: int = 224  # of decoded images, and all that follows is about them
    test_size: int | None = None  # None: image_size
    test_share: float = 0.875  # of the shorter side that the central crop keeps: 224 of 256
    crops: Literal["random", "central"] = "random"
    crop_area: Pair = (0.08, 1.0)  # of a random crop, as shares of the image
    jitter: float = 0.0  # of brightness, contrast and saturation: factors within 1 -+ jitter
    lighting: float = 0.0  # the deviation of noise along the colours' principal components (AlexNet)
    coefficient_rate: float = 1.0  # the learning rate of a formula's coefficients, relative to that of the weights

    def __post_init__(self) -> None:
        for name in ("milestones", "factors", "crop_area"):  # 81 and 81.0 have one digest
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        for name in ("epochs", "batch_size", "learning_rate", "image_size"):
            if not getattr(self, name) > 0:
                raise InputError(f"0 < {name} must hold, but got {getattr(self, name)} (recipe.{name})")
        for name in ("momentum", "warmup", "label_smoothing", "average", "jitter"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"0 <= {name} < 1 must hold, but got {getattr(self, name)} (recipe.{name})")
        for name in ("weight_decay", "crop_padding", "cutout", "mixup", "cutmix", "lighting", "coefficient_rate"):
            if getattr(self, name) < 0:
                raise InputError(f"0 <= {name} must hold, but got {getattr(self, name)} (recipe.{name})")
        for name in ("norm_momentum", "test_share"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"0 < {name} <= 1 must hold, but got {getattr(self, name)} (recipe.{name})")
        if not 0 <= self.erasing <= 1:
            raise InputError(f"0 <= erasing <= 1 must hold, but got {self.erasing} (recipe.erasing)")
        if self.nesterov and not self.momentum:
            raise InputError("nesterov needs a momentum above 0 (recipe.nesterov)")
        if not 0 < self.crop_area[0] <= self.crop_area[1] <= 1:
            raise InputError(f"0 < least <= most <= 1 must hold, but got {self.crop_area} (recipe.crop_area)")
        if self.test_size is not None and self.test_size < 1:
            raise InputError(f"0 < test_size must hold, but got {self.test_size} (recipe.test_size)")
        self._check_steps()

    def _check_steps(self) -> None:
        if (self.schedule == "steps") != bool(self.milestones):
            raise InputError(
                f"steps need milestones, other schedules have none, but got {self.schedule} with {self.milestones} "
                "(recipe.milestones)"
            )
        if list(self.milestones) != sorted(set(self.milestones)) or any(each <= 0 for each in self.milestones):
            raise InputError(f"milestones are positive and rise, but got {self.milestones} (recipe.milestones)")
        if len(self.factors) not in (1, len(self.milestones)) or any(each <= 0 for each in self.factors):
            law = "factors are positive, one for all milestones or one for each"
            raise InputError(f"{law}, but got {self.factors} for {self.milestones} (recipe.factors)")

    @property
    def digest(self) -> str:
        """A short hash of the settings: results of different digests are not compared silently."""
        return digest(self)

    @property
    def size_at_test(self) -> int:
        """The side of decoded images in an evaluation."""
        return self.image_size if self.test_size is None else self.test_size

    def scaled(self, epochs: int) -> "Recipe":
        """The same recipe with its schedule, milestones included, stretched or shortened to `epochs`."""
        milestones = tuple(each * epochs / self.epochs for each in self.milestones)
        return replace(self, epochs=epochs, milestones=milestones)

    def magnified(self, image_size: int) -> "Recipe":
        """The same recipe for decoded images of `image_size`, in the test as many times as large."""
        test_size = None if self.test_size is None else round(self.test_size * image_size / self.image_size)
        return replace(self, image_size=image_size, test_size=test_size)


def fixing_resolution(recipe: Recipe, size: int, epochs: int) -> Recipe:
    """The recipe after `recipe` that tunes head and norms at `size`, the resolution of the test (1906.06423, 3.3).

    Images are cropped as in the test; SGD at a learning rate that moves little.
    """
    return Recipe(
        epochs=epochs,
        batch_size=min(recipe.batch_size, 512),
        learning_rate=1e-3,
        weight_decay=1e-4,
        label_smoothing=recipe.label_smoothing,
        norm_momentum=recipe.norm_momentum,
        trained="head-and-norms",
        image_size=size,
        test_share=recipe.test_share,
        crops="central",
    )


RECIPES = {
    # Liao et al., 2108.08689; the weight decay is that of the code it builds on
    "cifar": Recipe(epochs=200),
    # Abdi and Nahavandi, 1609.05672; their code counts epochs from 1 and changes the rate in epochs 81 and 122
    "cifar-multiresnet": Recipe(epochs=200, nesterov=True, weight_decay=1e-4, schedule="steps", milestones=(80, 121)),
    # Xie et al., 1611.05431; their code, which compares with 0.49 and 0.74 of all epochs, steps after 147 and 222
    "cifar-resnext": Recipe(epochs=300, nesterov=True, schedule="steps", milestones=(150, 225)),
    # The Keras example of 2018 that accumulated residual networks build on. Its epochs, counted from 0, change the rate
    # where `epoch > 80` first holds; its penalty of 1e-4 w^2 is a decay of 2e-4; shifts of 0.1 are 3 whole pixels here
    "cifar-accumulated": Recipe(
        epochs=200,
        batch_size=32,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=2e-4,
        decayed="kernels",
        schedule="steps",
        milestones=(81, 121, 161, 181),
        factors=(0.1, 0.1, 0.1, 0.5),
        crop_padding=3,
        padding="edge",
        norm_momentum=0.01,
    ),
    # After the short triangles of the fast CIFAR trainings (ffcv, airbench94), a copy of none of them
    "cifar-fast": Recipe(
        epochs=24,
        batch_size=256,
        learning_rate=0.4,
        nesterov=True,
        schedule="one-cycle",
        warmup=0.2,
        label_smoothing=0.1,
        decayed="weights",
        crop_padding=2,
        cutout=8,
        average=0.99,
    ),
    # He et al., 1512.03385, in the form that every later paper compares with; Liao et al. train by it
    "imagenet": Recipe(epochs=90, batch_size=256, weight_decay=1e-4, schedule="steps", milestones=(30, 60)),
    # Wightman et al., 2110.00476, procedure A3, with erasing in place of RandAugment, and an average of the weights
    "imagenet-modern": Recipe(
        epochs=100,
        batch_size=2048,
        optimizer="lamb",
        learning_rate=8e-3,
        weight_decay=0.02,
        decayed="weights",
        schedule="warmup-cosine",
        warmup=0.05,
        loss="binary",
        mixup=0.1,
        cutmix=1.0,
        erasing=0.1,
        average=0.9995,
        image_size=160,
        test_size=224,
        test_share=0.95,
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe `name`, or the one in the YAML file of that name, which maps settings to values."""
    if name in RECIPES:
        return RECIPES[name]
    if Path(name).suffix in (".yaml", ".yml"):
        return from_mapping(Recipe, read_yaml(Path(name)), name)
    raise InputError(f"{unknown_name('recipe', name, RECIPES)}; or name a file, such as my-recipe.yaml")
