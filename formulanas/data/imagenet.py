"""ImageNet (ILSVRC 2012): where it lies, in folders of classes or in tar shards, and the list of its images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from formulanas.data.image_files import ImageFiles, list_folders
from formulanas.data.shards import list_shards
from formulanas.errors import InputError

Part = Literal["train", "val"]
SHARD_PATTERNS = {"train": ("train/*.tar", "*train*.tar"), "val": ("val/*.tar", "*val*.tar")}


@dataclass(frozen=True)
class ImageNet:
    """Any set of images in this layout, with 1,000 classes or fewer; it lies in the data directory, or in `folder`."""

    folder: str
    url: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def is_present(self, data_dir: Path) -> bool:
        """Whether there are training images; the validation images, which are the test here, are not looked at."""
        return self.home(data_dir, "train") is not None

    def home(self, data_dir: Path, part: Part) -> Path | None:
        """The directory with `part`, None where there is none."""
        for directory in (data_dir / self.folder, data_dir):
            if (directory / part).is_dir() or any(next(directory.glob(each), None) for each in SHARD_PATTERNS[part]):
                return directory
        return None

    def absent(self, data_dir: Path) -> str:
        """What to do where it is missing."""
        return (
            f"ImageNet is not in {data_dir}, and its licence lets nobody download it without an account: get "
            f"ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from {self.url} and unpack them to "
            f"{data_dir / self.folder}/train/CLASS/*.JPEG and val/CLASS/*.JPEG (val with a folder for each class too), "
            "or put WebDataset shards, such as imagenet-train-000000.tar, there; or name the directory by --data-dir"
        )

    def images(self, data_dir: Path, part: Part) -> ImageFiles:
        """The images of `part`. Raises InputError where there are none, or classes that the training lacks."""
        home = self.home(data_dir, part)
        if home is None:
            raise InputError(self.absent(data_dir) if part == "train" else f"{data_dir} has no {part}/ and no shards")
        shards = sorted({path for pattern in SHARD_PATTERNS[part] for path in home.glob(pattern)})
        if shards:
            return list_shards(home, shards)
        classes = None
        if part == "val" and (home / "train").is_dir():
            classes = [path.name for path in sorted((home / "train").iterdir()) if path.is_dir()]
        return list_folders(home, part, classes)


IMAGENET = ImageNet(
    folder="imagenet",
    url="https://image-net.org/download-images",
    mean=(0.485, 0.456, 0.406),
    deviation=(0.229, 0.224, 0.225),
)
