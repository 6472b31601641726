"""From the bytes of an image to its crop at the size of the network, as an array (H, W, 3) uint8."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right, bottom
ASPECT = (3 / 4, 4 / 3)  # width to height of random crops
ATTEMPTS = 10


def random_crop(encoded: bytes, size: int, area: tuple[float, float], generator: np.random.Generator) -> Pixels:
    """A crop of a random share of the image within `area`, of a random aspect, at `size` (1409.4842, section 6).

    A JPEG is decoded at the least of its coarser resolutions that is no coarser than the crop will be.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        width, height = image.size
        box = crop_box(width, height, area, generator)
        scale = size / min(box[2] - box[0], box[3] - box[1])
        if scale < 1:
            image.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))
        across, down = image.size[0] / width, image.size[1] / height
        part = box[0] * across, box[1] * down, box[2] * across, box[3] * down
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box=part))


def crop_box(width: int, height: int, area: tuple[float, float], generator: np.random.Generator) -> Box:
    """A random box of whole pixels; after ten that do not fit, the central one of the nearest aspect."""
    for _ in range(ATTEMPTS):
        wanted = width * height * generator.uniform(*area)
        aspect = math.exp(generator.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        across, down = round(math.sqrt(wanted * aspect)), round(math.sqrt(wanted / aspect))
        if 0 < across <= width and 0 < down <= height:
            left, top = int(generator.integers(width - across + 1)), int(generator.integers(height - down + 1))
            return left, top, left + across, top + down
    aspect = min(max(width / height, ASPECT[0]), ASPECT[1])
    across, down = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def central_crop(encoded: bytes, size: int, share: float) -> Pixels:
    """The middle of the image, whose shorter side is first resized to `size` / `share`: 224 of 256."""
    image = _resized(encoded, size, share)
    left, top = _middle(image, size)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def ten_crops(encoded: bytes, size: int, share: float) -> Pixels:
    """The corners, the middle, and these mirrored, (10, H, W, 3), in this order (AlexNet)."""
    image = _resized(encoded, size, share)
    right, bottom = image.width - size, image.height - size
    corners = ((0, 0), (right, 0), (0, bottom), (right, bottom), _middle(image, size))
    crops = np.stack([np.asarray(image.crop((x, y, x + size, y + size))) for x, y in corners])
    return np.concatenate((crops, crops[:, :, ::-1]))


def _resized(encoded: bytes, size: int, share: float) -> Image.Image:
    shorter = round(size / share)
    with Image.open(io.BytesIO(encoded)) as image:
        width, height = image.size
        least = min(width, height)
        sides = (int(shorter * width / least), int(shorter * height / least))
        return image.convert("RGB").resize(sides, Image.Resampling.BILINEAR)


def _middle(image: Image.Image, size: int) -> tuple[int, int]:
    return round((image.width - size) / 2), round((image.height - size) / 2)
