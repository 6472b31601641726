"""The list of images in tar shards as WebDataset writes them: samples of the files KEY.jpg and KEY.cls, or KEY.json."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from formulanas.data.image_files import SUFFIXES, ImageFiles, image_files
from formulanas.errors import InputError

Row = tuple[int, str, int, int, int]  # shard, name, label, offset, size


def list_shards(home: Path, shards: Sequence[Path]) -> ImageFiles:
    """The images in `shards`, read where they lie: a plain tar holds its files as they are, at offsets."""
    rows: list[Row] = []
    for number, path in enumerate(shards):
        try:
            with tarfile.open(path, "r:") as tar:
                rows += _samples(number, path, tar)
        except tarfile.TarError as error:
            raise InputError(f"{path} must be a plain tar archive, whole and not compressed, but: {error}") from None
    if not rows:
        raise InputError(f"the shards of {home} have no images; a sample is the files KEY.jpg and KEY.cls")
    num_classes = max(row[2] for row in rows) + 1
    return image_files(home, [str(path.relative_to(home)) for path in shards], rows, num_classes)


def _samples(number: int, path: Path, tar: tarfile.TarFile) -> Iterator[Row]:
    """The images of a shard whose labels are known; the files of a sample may stand in any order."""
    images: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    for member in tar:
        folder, slash, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        key = folder + slash + stem
        if not member.isfile():
            continue
        if f".{suffix.lower()}" in SUFFIXES:
            images[key] = member.name, member.offset_data, member.size
        elif suffix.lower() in ("cls", "cls.txt", "json"):
            file = tar.extractfile(member)
            assert file is not None
            labels[key] = _label(file.read(), suffix.lower(), f"{path}: {member.name}")
    for key, image in images.items():
        if key not in labels:
            raise InputError(f"{path}: {image[0]} has no label; beside it must stand {key}.cls or {key}.json")
        yield number, image[0], labels[key], *image[1:]


def _label(text: bytes, suffix: str, where: str) -> int:
    try:
        found = json.loads(text)["label"] if suffix == "json" else text
        label = int(found)
        if label < 0:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        law = '{"label": NUMBER}' if suffix == "json" else "the number of the class"
        raise InputError(f"{where} must hold {law}, counted from 0, but holds {text[:40]!r}") from None
    return label
