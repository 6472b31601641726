"""Fixtures that several files use, and how much Hypothesis tries."""

import os
import signal
from pathlib import Path

import pytest
import torch
from few_images import write_few_images
from hypothesis import settings
from imagenet_files import write_folders, write_shards
from tiny_search import Command, command_in

from formulanas.data import mini

torch.set_num_threads(1)

# Where the tests run in the background, Ctrl-C is ignored there and in all that they start, which some interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("quick", max_examples=150, deadline=None, derandomize="CI" in os.environ)
settings.register_profile("thorough", max_examples=5_000, deadline=None)  # pytest --hypothesis-profile thorough
settings.load_profile("quick")


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs the command in a folder that has the tiny space as space.yaml."""
    return command_in(tmp_path)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny space was searched by one worker, as the run `first`."""
    folder = tmp_path_factory.mktemp("finished")
    result = command_in(folder)("search", "space.yaml", "--name", "first", "--seed", "3", "--workers", "1")
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageNet as folders of images."""
    return write_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="session")
def shards(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as shards."""
    return write_shards(folders, tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def few_images_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cut of the embedded images, made once."""
    return write_few_images(tmp_path_factory.mktemp("few"))


@pytest.fixture
def few_images(few_images_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In this process, a cut of the embedded images takes their place."""
    monkeypatch.setattr(mini, "FOLDER", few_images_folder)
    return few_images_folder
