"""Data: official CIFAR files to the byte, the embedded cut, splits in proportion, crops and flips as their definition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from formulanas.data import catalogue, cifar, mini
from formulanas.data.augment import AugmentedImages
from formulanas.data.catalogue import CIFAR10, CIFAR100, CifarFiles, Dataset
from formulanas.data.images import LabelledImages, split
from formulanas.data.stream import Reading
from formulanas.data.test_set import open_test_images, read_test_set
from formulanas.data.training_set import open_training_images, read_training_set
from formulanas.errors import InputError
from formulanas.recipe import Recipe


def small(count: int = 40, size: int = 6) -> LabelledImages:
    """Random images of 10 classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.arange(count) % 10, 10, CIFAR10.mean, CIFAR10.deviation)


def written(tmp_path: Path, files: CifarFiles, seed: int = 0) -> CifarFiles:
    """`files` with 20 records a file, written in the official layout."""
    generator = np.random.default_rng(seed)
    for part in (*files.train, *files.test):
        path = tmp_path / files.folder / part
        path.parent.mkdir(exist_ok=True)
        generator.integers(0, files.num_classes, (20, files.label_bytes + 3072)).astype(np.uint8).tofile(path)
    return replace(files, train=dict.fromkeys(files.train, 20), test=dict.fromkeys(files.test, 20))


@pytest.mark.parametrize(("files", "parts"), [(CIFAR10, 5), (CIFAR100, 1)])
def test_official_binary_records(tmp_path: Path, files: CifarFiles, parts: int) -> None:
    """A record is its label bytes, the last of them the class, then 32 x 32 red, green and blue bytes, row by row."""
    files = written(tmp_path, files)
    data = cifar.read(files, files.train, tmp_path)
    assert data.images.shape == (20 * parts, 3, 32, 32)
    record = np.fromfile(tmp_path / files.folder / next(iter(files.train)), dtype=np.uint8)[: files.label_bytes + 3072]
    assert data.labels[0] == record[files.label_bytes - 1]
    assert data.images[0, 1, 2, 3] == record[files.label_bytes + 1024 + 2 * 32 + 3]


def test_missing_and_cut_files_are_named(tmp_path: Path) -> None:
    """A file that is not there, or too short, is named with what to do."""
    files = written(tmp_path, CIFAR10)
    with pytest.raises(InputError, match=r"data_batch_1.bin must have 30,730,000 bytes, but has 61,460"):
        cifar.read(CIFAR10, CIFAR10.train, tmp_path)
    (tmp_path / files.folder / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"data_batch_3.bin is missing"):
        cifar.read(files, files.train, tmp_path)


def test_a_download_is_verified_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with the right checksum is unpacked; with a wrong one it is refused; offline the message says what to do."""
    import hashlib
    import tarfile

    source, target = tmp_path / "source", tmp_path / "data"
    source.mkdir()
    files = written(source, CIFAR10)
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source / files.folder, files.folder)
    good = replace(files, url=archive.as_uri(), md5=hashlib.md5(archive.read_bytes()).hexdigest())
    for entry, words in (
        (replace(good, md5="0" * 32), "must have the MD5"),
        (replace(good, url=(tmp_path / "nothing.tar.gz").as_uri()), "--dataset cifar10-mini"),
    ):
        monkeypatch.setitem(catalogue.DATASETS, "cifar10", replace(catalogue.DATASETS["cifar10"], files=entry))
        with pytest.raises(InputError, match=words):
            catalogue.fetch("cifar10", target)
        assert not catalogue.is_present("cifar10", target)
    monkeypatch.setitem(catalogue.DATASETS, "cifar10", replace(catalogue.DATASETS["cifar10"], files=good))
    catalogue.fetch("cifar10", target)
    assert len(read_training_set("cifar10", target)) == 100
    assert len(read_test_set("cifar10", target)) == 20


def test_the_embedded_images_are_balanced_and_apart() -> None:
    """400 + 100 images of each of ten classes, no image in both parts, at most 10 MB in all."""
    train, test = read_training_set("cifar10-mini", Path()), read_test_set("cifar10-mini", Path())
    assert torch.equal(train.labels.bincount(), torch.full((10,), 400))
    assert torch.equal(test.labels.bincount(), torch.full((10,), 100))
    assert not {image.numpy().tobytes() for image in train.images} & {image.numpy().tobytes() for image in test.images}
    assert sum(path.stat().st_size for path in mini.FOLDER.iterdir()) < 10_000_000


def test_the_embedded_sheets_are_lossless(tmp_path: Path) -> None:
    """What is cut and written is read again to the byte, in the order of the source."""
    data = small(200, 32)
    mini.cut(data, "train", 10, tmp_path)
    labels = np.load(tmp_path / "train-labels.npy")
    mini_folder, mini.FOLDER = mini.FOLDER, tmp_path
    try:
        again = mini.read("train")
    finally:
        mini.FOLDER = mini_folder
    assert torch.equal(again.images, data.images[:100])
    assert torch.equal(again.labels, data.labels[:100])
    assert labels.dtype == np.uint8


def test_a_split_keeps_the_share_of_every_class() -> None:
    """A quarter held out is a quarter of each class; the parts are disjoint and together everything."""
    data = small(80)
    train, held_out = split(data, 0.25, seed=3)
    assert torch.equal(held_out.labels.bincount(), torch.full((10,), 2))
    assert torch.equal(train.labels.bincount(), torch.full((10,), 6))
    both = sorted(image.numpy().tobytes() for part in (train, held_out) for image in part.images)
    assert both == sorted(image.numpy().tobytes() for image in data.images)
    assert not torch.equal(split(data, 0.25, seed=4)[1].images, held_out.images)


def test_crops_and_flips_are_those_of_the_definition() -> None:
    """Each image of a batch is the flipped or plain image, padded by zeros, cut at its offsets."""
    data, padding = small(), 2
    batches = AugmentedImages(data, padding, flip=True).epoch(batch_size=16, seed=5)
    assert len(batches) == 3
    images = torch.cat([batches[i][0] for i in range(3)])
    labels = torch.cat([batches[i][1] for i in range(3)])
    for place, chosen in enumerate(batches.order.tolist()):
        image = data.images[chosen].float()
        image = image.flip(-1) if batches.flips[place] else image
        padded = torch.nn.functional.pad(image, (padding,) * 4)
        row, column = int(batches.rows[place]), int(batches.columns[place])
        window = padded[:, row : row + 6, column : column + 6]
        expected = (window / 255 - torch.tensor(data.mean)[:, None, None]) / torch.tensor(data.deviation)[:, None, None]
        torch.testing.assert_close(images[place], expected, rtol=1e-4, atol=1e-5)
        assert labels[place] == data.labels[chosen]
    assert batches.flips.unique().numel() == 2
    assert batches.rows.unique().numel() == 2 * padding + 1


def test_an_epoch_is_a_function_of_its_seed() -> None:
    """The same seed draws the same epoch, batch by batch in any order; another seed another."""
    images = AugmentedImages(small(), 2, flip=True)
    first, second, other = images.epoch(16, 1), images.epoch(16, 1), images.epoch(16, 2)
    assert torch.equal(first[2][0], second[2][0])
    assert not torch.equal(first[0][0], other[0][0])
    assert sorted(first.order.tolist()) == list(range(40))


def test_a_data_set_without_files_is_not_trained_as_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An entry of the catalogue that says nothing of its files is an error, and not the embedded images."""
    entry = Dataset("mine", "mine", 10, (3, 32, 32), None)  # type: ignore[arg-type]
    monkeypatch.setitem(catalogue.DATASETS, "mine", entry)
    cpu, recipe = torch.device("cpu"), Recipe(epochs=1)
    for read in (read_training_set, read_test_set):
        with pytest.raises(AssertionError):
            read("mine", tmp_path)
    for open_images in (open_training_images, open_test_images):
        with pytest.raises(AssertionError):
            open_images("mine", tmp_path, recipe, cpu, Reading())
