"""ImageNet: both layouts give the same images, crops are those of the papers, any batch can be had again."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from imagenet_files import MODES, broken_copy, picture
from PIL import Image, ImageEnhance, ImageOps

from formulanas.cli.main import main
from formulanas.data import colours, decode
from formulanas.data.imagenet import IMAGENET
from formulanas.data.images import Batch
from formulanas.data.stream import ImageStream, Reading
from formulanas.data.training_set import read_training_set
from formulanas.errors import InputError
from formulanas.recipe import Recipe

CPU = torch.device("cpu")
SMALL = Recipe(epochs=1, image_size=16, batch_size=4)


def stream(home: Path, recipe: Recipe = SMALL, part: str = "train", **reading: object) -> ImageStream:
    """The images of a layout as a recipe crops them."""
    files = IMAGENET.images(home, part)  # type: ignore[arg-type]
    return ImageStream(files, recipe, IMAGENET.mean, IMAGENET.deviation, CPU, Reading(**reading))  # type: ignore[arg-type]


def same(first: Iterator[Batch], second: Iterator[Batch]) -> bool:
    """Whether two sequences of batches agree to the bit."""
    pairs = list(zip(first, second, strict=True))
    return all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def test_both_layouts_hold_the_same_images(folders: Path, shards: Path) -> None:
    """Byte for byte, with the same labels in the same order, and so the same batches."""
    for part, count in (("train", 12), ("val", 6)):
        first, second = IMAGENET.images(folders, part), IMAGENET.images(shards, part)  # type: ignore[arg-type]
        assert len(first) == len(second) == count
        assert first.num_classes == second.num_classes == 3
        assert first.labels.tolist() == second.labels.tolist()
        assert [first.read(i) for i in range(count)] == [second.read(i) for i in range(count)]
    assert first.name(3) == "val/n02/n02_1.JPEG"
    assert second.name(3) == "imagenet-validation-000001.tar: n02_1.jpg"
    assert same(stream(folders).batches(4, seed=1), stream(shards).batches(4, seed=1))


@pytest.mark.parametrize("decoders", [0, 2])
def test_an_epoch_resumed_at_any_batch_is_the_same(folders: Path, decoders: int) -> None:
    """The batches from number 1 on are those of the whole epoch, whoever decodes; another seed draws others."""
    recipe = replace(SMALL, jitter=0.4, lighting=0.1, erasing=0.5, cutout=2)
    images = stream(folders, recipe, decoders=decoders)
    whole = list(images.batches(5, seed=7))
    assert [len(labels) for _, labels in whole] == [5, 5, 2]
    assert same(iter(whole[1:]), stream(folders, recipe).batches(5, seed=7, begin=1))
    assert not torch.equal(whole[0][0], next(images.batches(5, seed=8))[0])
    assert sorted(int(i) for _, labels in whole for i in labels) == [0] * 4 + [1] * 4 + [2] * 4


def test_processes_share_a_batch_without_overlap(folders: Path) -> None:
    """Of each batch, process r of 2 has every second image from r on, with the draws it has in the whole batch."""
    images = stream(folders, replace(SMALL, jitter=0.4, erasing=0.5))
    parts = [list(images.batches(4, seed=3, part=slice(rank, None, 2))) for rank in range(2)]
    for number, (pixels, labels) in enumerate(images.batches(4, seed=3)):
        for rank in range(2):
            assert torch.equal(parts[rank][number][0], pixels[rank::2])
            assert torch.equal(parts[rank][number][1], labels[rank::2])


def shorter_side(encoded: bytes, size: int) -> Image.Image:
    """An image whose shorter side is resized to `size`, the longer in proportion."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    longer = int(size * max(image.size) / min(image.size))
    return image.resize((longer, size) if image.width > image.height else (size, longer), Image.Resampling.BILINEAR)


def test_the_central_crop_is_224_of_256(folders: Path) -> None:
    """The shorter side resized to 256 and the middle 224 cut out, scaled down to these images: 28 of 32."""
    recipe = replace(SMALL, image_size=28)
    (pixels, _), *_ = stream(folders, recipe, "val").test_batches(6)
    files = IMAGENET.images(folders, "val")
    for number in range(6):
        image = shorter_side(files.read(number), 32)
        assert image.size == (43, 32)
        image = image.crop((8, 2, 36, 30))  # (43 - 28) / 2 = 7.5, rounded to even
        expected = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) / 255
        mean, deviation = (torch.tensor(each)[:, None, None] for each in (IMAGENET.mean, IMAGENET.deviation))
        torch.testing.assert_close(pixels[number], (expected - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_ten_crops_are_corners_middle_and_mirrors() -> None:
    """In this order."""
    encoded = picture(5)
    image = shorter_side(encoded, 32)
    boxes = [(0, 0), (15, 0), (0, 4), (15, 4), (8, 2)]
    crops = [image.crop((x, y, x + 28, y + 28)) for x, y in boxes]
    expected = np.stack([np.asarray(each) for each in (*crops, *map(ImageOps.mirror, crops))])
    assert np.array_equal(decode.ten_crops(encoded, 28, 0.875), expected)


def test_a_random_crop_is_its_box_resized() -> None:
    """Pixel for pixel where the image is decoded whole; nearly so where it is decoded coarsely."""
    for size, tolerance in ((80, 0.0), (14, 5.0)):
        encoded = picture(1, size=(120, 90))
        found = decode.random_crop(encoded, size, (0.3, 1.0), np.random.default_rng(4))
        box = decode.crop_box(120, 90, (0.3, 1.0), np.random.default_rng(4))
        whole = Image.open(io.BytesIO(encoded)).resize((size, size), Image.Resampling.BILINEAR, box=box)
        assert np.abs(found.astype(int) - np.asarray(whole).astype(int)).mean() <= tolerance


def test_crop_boxes_have_their_share_and_aspect() -> None:
    """Within the image; areas from 8 to 100 %, aspects from 3/4 to 4/3, up to rounding; all sizes occur."""
    generator = np.random.default_rng(0)
    boxes = np.array([decode.crop_box(400, 300, (0.08, 1.0), generator) for _ in range(2000)])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    shares, aspects = across * down / 120_000, across / down
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 400
    assert boxes[:, 3].max() <= 300
    assert 0.079 < shares.min() < 0.1
    assert 0.95 < shares.max() <= 1
    assert 0.74 < aspects.min() < 0.78
    assert 1.28 < aspects.max() < 1.345
    assert decode.crop_box(1000, 10, (0.9, 1.0), generator) == (493, 0, 506, 10)  # none fits: the middle, 4 to 3


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_jpeg_becomes_three_colours(mode: str) -> None:
    """Grey, and the four inks of print, at full and at coarse resolution."""
    for size in (8, 100):
        pixels = decode.random_crop(picture(2, mode, (200, 150)), size, (0.5, 1.0), np.random.default_rng(0))
        assert pixels.shape == (size, size, 3)
        assert mode != "L" or np.array_equal(pixels[..., 0], pixels[..., 2])


def test_colour_jitter_is_that_of_pillow() -> None:
    """Brightness, then contrast, then saturation, by the same factors, up to Pillow's rounding after each."""
    images = [Image.open(io.BytesIO(picture(seed))) for seed in range(2)]
    factors = [(0.7, 1.3, 0.6), (1.2, 0.8, 1.4)]
    pixels = torch.stack([torch.from_numpy(np.asarray(each).copy()).permute(2, 0, 1) for each in images])
    found = colours.jitter(pixels.float(), torch.tensor(factors))
    for image, (brightness, contrast, saturation), result in zip(images, factors, found, strict=True):
        changed = ImageEnhance.Brightness(image).enhance(brightness)
        changed = ImageEnhance.Contrast(changed).enhance(contrast)
        changed = ImageEnhance.Color(changed).enhance(saturation)
        expected = torch.from_numpy(np.asarray(changed).copy()).permute(2, 0, 1).float()
        torch.testing.assert_close(result, expected, rtol=0, atol=3)


def test_patches_are_blank_and_of_their_size() -> None:
    """What lies inside is zero; erased rectangles have 2 to 33 % of the image, as often as they should."""
    images = torch.ones(1, 3, 6, 6)
    blanked = colours.blank(images, torch.tensor([[1, 3, 4, 9]]))
    assert blanked[0, :, 1:3, 4:].eq(0).all()
    assert blanked.sum() == 3 * (36 - 4)
    patches = colours.rectangles(4000, 0.25, 100, 100, torch.Generator().manual_seed(0))
    areas = (patches[:, 1] - patches[:, 0]) * (patches[:, 3] - patches[:, 2])
    erased = areas > 0
    assert float(erased.float().mean()) == pytest.approx(0.25, abs=0.03)
    assert 0.015 < float(areas[erased].min()) / 1e4 < 0.03
    assert 0.3 < float(areas.max()) / 1e4 < 0.34
    assert patches.min() >= 0
    assert patches.max() <= 100
    square = colours.squares(500, 4, 10, 10, torch.Generator().manual_seed(0))
    assert (square[:, 1] - square[:, 0] == 4).all()
    assert square.min() == -2


def test_broken_images_are_named(folders: Path, tmp_path: Path) -> None:
    """One message with the names and the way on; left out when asked, each reported once, the others as they were."""
    home = broken_copy(folders, tmp_path)
    with pytest.raises(InputError, match=r"(?s)2 of the images.*n01_0.JPEG.*n02_2.JPEG.*--skip-broken") as raised:
        list(stream(home).batches(12, seed=0))
    assert str(raised.value).count("\n") == 3
    assert "n02_2.JPEG (it is no image)" in str(raised.value)
    heard: list[str] = []
    images = stream(home, replace(SMALL, jitter=0.3), skip_broken=True, say=heard.append)
    found = list(images.batches(12, seed=0)) + list(images.batches(12, seed=1))
    assert [len(labels) for _, labels in found] == [10, 10]
    assert len(heard) == 2
    (whole, labels), *_ = stream(folders, replace(SMALL, jitter=0.3)).batches(12, seed=0)
    kept = [i for i in range(12) if any(torch.equal(whole[i], each) for each in found[0][0])]
    assert len(kept) == 10
    assert torch.equal(labels[kept], found[0][1])
    with pytest.raises(InputError, match="no image of a whole batch"):
        list(stream(home, skip_broken=True).batches(1, seed=0))


def test_a_shard_cut_short_names_its_image(shards: Path, tmp_path: Path) -> None:
    """An image that goes beyond the end of its shard is broken; a compressed shard is refused."""
    files = IMAGENET.images(shards, "train")
    copy = tmp_path / "imagenet"
    copy.mkdir()
    for name in files.groups:
        (copy / Path(name).name).write_bytes((shards / "imagenet" / name).read_bytes())
    listed = IMAGENET.images(tmp_path, "train")
    assert listed.offsets is not None
    last = copy / listed.groups[1]
    last.write_bytes(last.read_bytes()[: int(listed.offsets[-1]) + 50])
    with pytest.raises(OSError, match="after 50 of"):
        listed.read(len(listed) - 1)
    with pytest.raises(InputError, match=r"imagenet-train-000001.tar must be a plain tar archive, whole"):
        IMAGENET.images(tmp_path, "train")
    with tarfile.open(last, "w:gz") as tar:
        tar.add(copy / listed.groups[0], "x.jpg")
    with pytest.raises(InputError, match=r"imagenet-train-000001.tar must be .* not compressed"):
        IMAGENET.images(tmp_path, "train")


def test_samples_without_a_label_are_named(tmp_path: Path) -> None:
    """An image needs its class beside it, as a number."""
    for content, words in (({"a.jpg": b""}, "a.cls"), ({"a.jpg": b"", "a.cls": b"shark"}, "number of the class")):
        with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
            for name, text in content.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text))
        with pytest.raises(InputError, match=words):
            IMAGENET.images(tmp_path, "train")


def test_layouts_that_are_wrong_say_how(folders: Path, tmp_path: Path) -> None:
    """No folders of classes, a class without images, and classes that the training lacks."""
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="a folder for each class"):
        IMAGENET.images(tmp_path, "train")
    (tmp_path / "train/n01").mkdir()
    with pytest.raises(InputError, match="has no images"):
        IMAGENET.images(tmp_path, "train")
    (tmp_path / "val/n07").mkdir(parents=True)
    with pytest.raises(InputError, match="among those of the training, but n07"):
        IMAGENET.images(tmp_path, "val")
    with pytest.raises(InputError, match="not held in memory; here, use one of cifar10-mini"):
        read_training_set("imagenet", folders)


def test_data_verifies_imagenet(folders: Path, tmp_path: Path) -> None:
    """`data imagenet` decodes every image, counts them, and names what is broken."""
    result = CliRunner().invoke(main, ["data", "imagenet", "--data-dir", str(folders)])
    assert "12 training and 6 test images in 3 classes, all of which can be decoded" in result.stdout
    assert str(folders) in result.stdout
    home = broken_copy(folders, tmp_path)
    (home / "val").symlink_to(folders / "val")
    result = CliRunner().invoke(main, ["data", "imagenet", "--data-dir", str(home)])
    assert result.exit_code == 2
    assert "2 images are broken" in result.stderr
    assert "n02_2.JPEG" in result.stderr
