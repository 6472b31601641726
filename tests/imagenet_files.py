"""ImageNet as files: three classes of pictures in both layouts, and a copy that is broken."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

MODES = ["RGB", "L", "CMYK"]  # the kinds of JPEG that ImageNet has


def picture(seed: int, mode: str = "RGB", size: tuple[int, int] = (60, 44), kind: str = "JPEG") -> bytes:
    """An encoded image of smooth random colours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).convert(mode).save(file, kind, quality=95)
    return file.getvalue()


def write_folders(home: Path) -> Path:
    """Three classes of four training images and two others, the JPEGs of all kinds and one PNG by a wrong name."""
    for part, count in (("train", 4), ("val", 2)):
        for label, name in enumerate(("n01", "n02", "n03")):
            (home / part / name).mkdir(parents=True)
            for i in range(count):
                kind = "PNG" if (label, i) == (0, 1) else "JPEG"
                mode = "RGB" if kind == "PNG" else MODES[i % 3]
                path = home / part / name / f"{name}_{i}.JPEG"
                path.write_bytes(picture(100 * label + i, mode, kind=kind))
    return home


def write_shards(folders: Path, home: Path) -> Path:
    """The images of `folders` in shards of two, labels in .cls files for training and in .json for the others."""
    shards = home / "imagenet"
    shards.mkdir()
    for part, word in (("train", "train"), ("val", "validation")):
        paths = sorted((folders / part).glob("*/*.JPEG"))
        for number in range(2):
            chosen = paths[: len(paths) // 2] if number == 0 else paths[len(paths) // 2 :]
            write_shard(shards / f"imagenet-{word}-{number:06}.tar", chosen, "cls" if part == "train" else "json")
    return home


def write_shard(shard: Path, paths: list[Path], suffix: str) -> None:
    """A shard of `paths`, labelled by the number in the name of their folder."""
    with tarfile.open(shard, "w") as tar:
        for path in paths:
            label = int(path.parent.name[1:]) - 1
            text = str(label) if suffix == "cls" else json.dumps({"label": label})
            for name, content in ((f"{path.stem}.jpg", path.read_bytes()), (f"{path.stem}.{suffix}", text.encode())):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def broken_copy(folders: Path, home: Path) -> Path:
    """The training images, of which one is cut short and one no image."""
    for path in (folders / "train").glob("*/*.JPEG"):
        target = home / path.relative_to(folders)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    whole = home / "train/n01/n01_0.JPEG"
    whole.write_bytes(whole.read_bytes()[:300])
    (home / "train/n02/n02_2.JPEG").write_text("no image")
    return home
