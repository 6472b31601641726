"""No text of a document, a file name or an option becomes code: hostile text goes into every string of each of them."""

import copy
import json
import shutil
import subprocess
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_search import TINY_SPACE

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.errors import InputError
from formulanas.export.export import export
from formulanas.export.python_code import docstring
from formulanas.formula.bind import bind
from formulanas.network.network import build
from formulanas.recipe import Recipe
from formulanas.records import from_mapping, to_plain
from formulanas.report.show import describe
from formulanas.search.screening.candidate import candidate
from formulanas.search.space.document import SpaceDocument
from formulanas.search.space.proxy import Proxy, resolve_proxy
from formulanas.store.models import Retraining
from formulanas.store.targets import resolve
from formulanas.training.load import load_retrained

CALL = "__import__('pathlib').Path(__import__('os').environ['FORMULANAS_MARK']).touch()"
HOSTILE = {  # what would run where the text stands bare, in a docstring, in a quoted word, after a line's end
    "expression": f"({CALL} and 0) or (lambda values: values)",
    "docstring": f'x"""\n{CALL}\n"""',
    "quotes": f'x") or {CALL} or ("',
    "backslash": "x\\",
}
Path_ = tuple[str | int, ...]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that hostile text would make."""
    monkeypatch.setenv("FORMULANAS_MARK", str(tmp_path / "mark"))
    return tmp_path / "mark"


def text_places(kind: Any, place: Path_ = ()) -> Iterator[Path_]:
    """Where a document of the dataclass `kind` may hold text, nested dataclasses, keys and items included."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for option in options:
        origin, inner = typing.get_origin(option), typing.get_args(option)
        if is_dataclass(option):
            hints = typing.get_type_hints(option)
            for field in fields(option):
                yield from text_places(hints[field.name], (*place, field.name))
        elif option is str or origin is typing.Literal:
            yield place
        elif origin is dict:
            yield from text_places(inner[1], (*place, "name"))
        elif origin in (tuple, list):
            yield from text_places(inner[0], (*place, 0))


def leaves(document: Any, place: Path_ = ()) -> Iterator[Path_]:
    """Where a document holds text now."""
    if isinstance(document, str):
        yield place
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from leaves(value, (*place, key))


def changed(document: Any, place: Path_, text: str) -> Any:
    """`document` with `text` at `place`."""
    first, *rest = place
    made = copy.deepcopy(document)
    if isinstance(first, int):
        made = list(made or [None])
        made[first] = changed(made[first], tuple(rest), text) if rest else text
    else:
        made = dict(made or {})
        made[first] = changed(made.get(first), tuple(rest), text) if rest else text
    return made


def run(architecture: Architecture) -> None:
    """Makes the network, and runs what was made of its names."""
    with torch.no_grad():
        build(architecture, seed=0).eval()(torch.zeros(1, *architecture.image))


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export runs its file here instead of in a process of its own, which takes seconds to begin."""

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        exec(command[-1].replace('sys.modules["formulanas"] = None', ""), {})
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("formulanas.export.formats.subprocess", types.SimpleNamespace(run=run))


def test_the_hostile_text_does_what_it_can(mark: Path) -> None:
    """Where it becomes code it leaves its mark, and so would be seen."""
    exec(CALL, {})
    assert mark.exists()


@pytest.fixture
def retrained(tmp_path: Path) -> Path:
    """The folder of a retrained model, with weights as they are drawn."""
    backbone = Backbone((4, 8), (1, 1), stem_stride=4)
    formula = bind("x[n] = relu(x[n-1] + F[n](x[n-1]))")
    settings = Retraining(
        name="resnet",
        formula=formula.text,
        backbone_name="own",
        backbone=backbone,
        dataset="cifar10-mini",
        data_dir="data",
        recipe_name="own",
        recipe=Recipe(epochs=1, batch_size=100),
        seed=0,
    )
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "retrain.yaml").write_text(yaml.safe_dump(to_plain(settings)))
    network = build(Architecture(formula, backbone, (3, 32, 32), 10), seed=0)
    torch.save(network.state_dict(), folder / "weights.pt")
    return folder


def test_texts_of_a_retrained_model_are_never_run(retrained: Path, mark: Path, tmp_path: Path) -> None:
    """Each text of retrain.yaml is refused, or stays text when the model is shown, loaded and exported."""
    file = retrained / "retrain.yaml"
    document = yaml.safe_load(file.read_text())
    kept: dict[str, list[Path_]] = {kind: [] for kind in HOSTILE}
    for place in text_places(Retraining):
        for kind, text in HOSTILE.items():
            file.write_text(yaml.safe_dump(changed(document, place, text)))
            try:
                describe(str(retrained), {}, None, None, None)
                load_retrained(retrained, torch.device("cpu"))
                kept[kind].append(place)
            except InputError:
                pass
            assert not mark.exists(), f"{place}: {text}"
    assert ("name",) in kept["docstring"]  # it is text that a reader may choose, so that it must be kept text
    for kind, places in kept.items():
        hostile = document
        assert places
        for place in places:
            hostile = changed(hostile, place, HOSTILE[kind])
        file.write_text(yaml.safe_dump(hostile))
        export(str(retrained), tmp_path / "out.py")
        assert not mark.exists(), kind


def test_the_name_of_a_folder_is_never_run(retrained: Path, mark: Path, tmp_path: Path) -> None:
    """A retrained folder with a hostile name, and none in its document, exports."""
    text = yaml.safe_load((retrained / "retrain.yaml").read_text()) | {"name": ""}
    (retrained / "retrain.yaml").write_text(yaml.safe_dump(text))
    for kind in ("docstring", "backslash"):
        folder = retrained.rename(tmp_path / HOSTILE[kind])
        export(str(folder), tmp_path / "out.py")
        assert not mark.exists(), kind
        retrained = folder


def test_texts_of_a_space_are_never_run(mark: Path, tmp_path: Path) -> None:
    """Each text of a space file is refused, or stays text in the networks of its points."""
    document = yaml.safe_load(TINY_SPACE)
    document["formula"] = document["formula"].replace("+ f[n])", "+ act(f[n]))")  # names the backbone's activation
    backbone = {**document["proxy"]["backbone"], "stem_norm": False}
    document["proxy"]["backbone"] = backbone

    def run_points(document: Any) -> None:
        space = from_mapping(SpaceDocument, document, "")
        proxy = resolve_proxy(space.proxy, tmp_path)
        assert len(space.points) == 2
        for values in space.points.values():
            run(candidate(space, proxy, values))

    run_points(document)
    kept: dict[str, set[Path_]] = {kind: set() for kind in HOSTILE}
    for place in {*text_places(SpaceDocument), *leaves(document)}:
        for kind, text in HOSTILE.items():
            try:
                run_points(changed(document, place, text))
                kept[kind].add(place)
            except InputError:
                pass
            assert not mark.exists(), f"{place}: {text}"
    for kind, text in HOSTILE.items():
        assert ("description",) in kept[kind]  # what a reader may write freely, and so must be kept text
        points = document["points"]
        run_points({**document, "points": {text: points["plain"], "resnet": points["resnet"]}})
        assert not mark.exists(), kind


def test_texts_of_a_run_are_never_run(
    finished_run: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text of study.yaml, of a trial and of a leaderboard is refused, or stays text."""
    shutil.copytree(finished_run / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "first"
    readers = {
        "study.yaml": ("first:0", "first:best"),
        "trials/0000/trial.json": ("first:0",),
        "leaderboard.json": ("best",),
    }
    kept: dict[str, list[tuple[str, Path_]]] = {kind: [] for kind in HOSTILE}
    originals = {name: yaml.safe_load((folder / name).read_text()) for name in readers}
    for name, targets in readers.items():
        document = originals[name]
        places = {*leaves(document)}
        places |= {("proxy", *place) for place in text_places(Proxy)} if name == "study.yaml" else set()
        changes = {("backbone", *place) for place in text_places(Backbone)}
        places |= changes if name.startswith("trials") else {("best", *place) for place in changes}
        for place in sorted(places, key=str):
            for kind, text in HOSTILE.items():
                (folder / name).write_text(json.dumps(changed(document, place, text)))
                try:
                    for target in targets:
                        found = resolve(target)
                        assert found.backbone is not None
                        run(Architecture(found.recursion, found.backbone, (3, 32, 32), 10))
                    if place[-1] in ("run", "name", "space_file", "reason", "point"):
                        kept[kind].append((name, place))
                except InputError:
                    pass
                assert not mark.exists(), f"{name}: {place}: {text}"
        (folder / name).write_text(json.dumps(document))
    for kind, found_places in kept.items():
        hostile = copy.deepcopy(originals)
        assert {name for name, _ in found_places} == set(readers)
        for name, place in found_places:
            hostile[name] = changed(hostile[name], place, HOSTILE[kind])
        for name, document in hostile.items():
            (folder / name).write_text(json.dumps(document))
        export("first:best", tmp_path / "out.py")
        assert not mark.exists(), kind


@pytest.mark.parametrize("kind", HOSTILE)
def test_texts_of_options_are_never_run(kind: str, mark: Path, tmp_path: Path) -> None:
    """A formula, a value, a backbone and a data set that are code are refused."""
    text = HOSTILE[kind]
    resnet = "x[n] = h(x[n-1] + F[n](x[n-1]))"
    for target, options in (
        (text, {}),
        (f"x[n] = {text}", {}),
        (f"F = {text}; x[n] = F[n](x[n-1])", {}),
        (resnet, {"values": {"h": text}}),
        ("resnet", {"backbone_name": text}),
        ("resnet", {"dataset_name": text}),
        ("resnet", {"kind": text}),
    ):
        with pytest.raises(InputError):
            export(target, tmp_path / "out.py", **options)
        assert not mark.exists()


@pytest.mark.parametrize("text", [*HOSTILE.values(), '"', '""', '"""', '""""', "\\", '\\"', "\0", "\udc80", "a\u2028b"])
def test_a_docstring_holds_any_text(text: str) -> None:
    """What the lines say is what the docstring is, and nothing more is run."""
    namespace: dict[str, Any] = {}
    exec(docstring([text]), namespace)
    assert namespace["__doc__"].removesuffix("\n") == text
    assert set(namespace) == {"__builtins__", "__doc__"}
