"""Random changes of colour and of what is seen, for batches on the device: jitter, lighting, blanked patches."""

import math

import torch
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
# Principal components of ImageNet's colours, for values up to 1 (AlexNet; the table is that of fb.resnet.torch)
COMPONENTS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
SPREADS = (0.2175, 0.0188, 0.0045)


def jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Images (B, 3, H, W) of values up to 255 with brightness, contrast and saturation multiplied by factors (B, 3).

    In this order; each image is drawn towards black, towards its mean grey and towards its own grey.
    """
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(1)
    images = (images * brightness).clamp(0, 255)
    images = grey(images).mean((2, 3), keepdim=True).lerp(images, contrast).clamp(0, 255)
    return grey(images).lerp(images, saturation).clamp(0, 255)


def grey(images: Tensor) -> Tensor:
    """The luminance (B, 1, H, W) of images (B, 3, H, W)."""
    weights = torch.tensor(LUMINANCE, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def lighting(images: Tensor, strengths: Tensor) -> Tensor:
    """Images (B, 3, H, W) of values up to 255, moved along the principal components of colours by strengths (B, 3)."""
    components = torch.tensor(COMPONENTS, device=images.device)
    spreads = torch.tensor(SPREADS, device=images.device)
    return images + 255 * ((strengths * spreads) @ components.T).view(-1, 3, 1, 1)


def blank(images: Tensor, patches: Tensor) -> Tensor:
    """Images (B, C, H, W) with zeros, which is the mean colour, in patches (B, 4): the rows from, to, the columns."""
    top, bottom, left, right = patches.view(-1, 4, 1, 1, 1).unbind(1)
    rows = torch.arange(images.shape[2], device=images.device).view(1, 1, -1, 1)
    columns = torch.arange(images.shape[3], device=images.device)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return images.masked_fill(inside, 0.0)


def squares(count: int, side: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Squares (count, 4) around random pixels, of which a part may lie outside (1708.04552)."""
    rows = torch.randint(height, (count,), generator=generator) - side // 2
    columns = torch.randint(width, (count,), generator=generator) - side // 2
    return torch.stack((rows, rows + side, columns, columns + side), 1)


def rectangles(count: int, probability: float, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Rectangles (count, 4) of 2 to 33 % of the image, of aspects of 0.3 to 3.3, or empty (1708.04896)."""
    drawn = torch.rand(count, 5, generator=generator)
    area = (0.02 + 0.31 * drawn[:, 1]) * height * width
    aspect = torch.exp((2 * drawn[:, 2] - 1) * math.log(3.3))
    down = (area * aspect).sqrt().round().clamp(max=height) * (drawn[:, 0] < probability)
    across = (area / aspect).sqrt().round().clamp(max=width)
    top = (drawn[:, 3] * (height - down + 1)).floor()
    left = (drawn[:, 4] * (width - across + 1)).floor()
    return torch.stack((top, top + down, left, left + across), 1).long()
