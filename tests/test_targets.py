"""What a TARGET names, and the one way from it to an architecture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from model_folders import keep_model, retraining

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.cli.main import main
from formulanas.errors import InputError
from formulanas.formula.published import bind_formula
from formulanas.recipe import Recipe
from formulanas.retrain.settings import Options, settle
from formulanas.store.targets import resolve


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without runs."""
    monkeypatch.chdir(tmp_path)


def shown(*arguments: str) -> dict[str, object]:
    """The JSON object that `show` prints."""
    result = CliRunner().invoke(main, ["show", *arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    document: dict[str, object] = json.loads(result.stdout)
    return document


def test_a_retrained_model_is_shown_as_it_was_trained() -> None:
    """With the images and classes that its data had, over its own backbone, whatever is usual."""
    keep_model(Path("model"), retraining("resnet", dataset="imagenet", image_size=64, num_classes=3), None)
    trained = Architecture(bind_formula("resnet"), backbone("cifar-resnet-20"), (3, 64, 64), 3).plan
    facts = shown("model")
    assert (facts["params"], facts["macs"]) == (trained.num_params, trained.macs)
    assert (facts["backbone"], facts["dataset"]) == ("cifar-resnet-20", "imagenet")
    other = Architecture(bind_formula("resnet"), backbone("resnet18"), (3, 32, 32), 100).plan
    assert shown("model", "--backbone", "resnet18", "--dataset", "cifar100")["params"] == other.num_params


def test_a_formula_is_over_what_is_usual_for_the_images() -> None:
    """ResNet-20 for CIFAR, ResNet-18 for ImageNet, in every command."""
    assert shown("resnet")["backbone"] == "cifar-resnet-20"
    assert shown("resnet", "--dataset", "imagenet")["backbone"] == "resnet18"
    for dataset, name in (("cifar100", "cifar-resnet-20"), ("imagenet", "resnet18")):
        assert settle(resolve("resnet"), Options(dataset_name=dataset)).settings.backbone_name == name


def test_a_retrained_model_is_trained_again_over_its_own_backbone() -> None:
    """And on its own data, which is said; each is another where it is asked for."""
    keep_model(Path("model"), retraining("resnet-s", backbone_name="resnet18", dataset="cifar100"), 0.5)
    own = settle(resolve("model"), Options())
    assert (own.settings.backbone_name, own.settings.backbone) == ("resnet18", backbone("resnet18"))
    assert (own.settings.dataset, own.reason) == ("cifar100", "that of model")
    assert own.folder == Path("runs/retrained/resnet-s-resnet18-cifar100-cifar-200-seed0")
    other = settle(resolve("model"), Options("cifar-resnet-8", "cifar10-mini"))
    assert (other.settings.backbone_name, other.settings.dataset) == ("cifar-resnet-8", "cifar10-mini")
    assert other.reason == "as asked"


def test_a_folder_may_be_called_as_one_likes() -> None:
    """An equals sign makes no formula of it; a published name is the published formula, and its folder ./resnet."""
    for name in ("width=2", "resnet"):
        keep_model(Path(name), retraining("plain"), None)
    assert resolve("width=2").name == resolve("./resnet").name == "plain"
    assert resolve("resnet").recursion == bind_formula("resnet")
    long = "x[n] = " + " + ".join(["x[n-1]"] * 200) + " + F[n](x[n-1])"
    assert resolve(long).recursion.history_depth == 1
    assert CliRunner().invoke(main, ["compare", long, "resnet"]).exit_code == 2


def test_a_name_in_a_document_leads_to_no_folder_outside() -> None:
    """A model's own name is for readers; a backbone's is refused where it is no part of a folder's name."""
    hostile = retraining("x[n] = x[n-1] + 0.5 * F[n](x[n-1])", name="../../x", recipe=Recipe(epochs=1))
    keep_model(Path("model"), hostile, None)
    key = hostile.architecture.recursion.key
    assert settle(resolve("model"), Options()).folder.parent == Path("runs/retrained")
    assert settle(resolve("model"), Options()).folder.name.startswith(f"{key}-cifar-resnet-20-")
    small = Backbone((8,), (1,))
    keep_model(Path("model"), replace(hostile, backbone_name="../../x", backbone=small), None)
    with pytest.raises(InputError, match=r"cannot be called .*--backbone"):
        settle(resolve("model"), Options())
    assert settle(resolve("model"), Options(backbone_name="resnet18")).settings.name == "../../x"


def test_a_recipe_file_of_old_is_found_again() -> None:
    """The digest in the folder's name was made otherwise once; what the folder holds is what counts."""
    Path("mine.yaml").write_text("epochs: 3\n")
    options = Options("cifar-resnet-8", "cifar10-mini", "mine.yaml")
    planned = settle(resolve("resnet"), options)
    keep_model(planned.folder.with_name("resnet-mine-01234567"), planned.settings, None)
    assert settle(resolve("resnet"), options).folder.name == "resnet-mine-01234567"
    assert settle(resolve("resnet"), replace(options, seed=1)).folder.name != "resnet-mine-01234567"
    assert settle(resolve("resnet-s"), options).folder.name != "resnet-mine-01234567"


def test_a_resumed_formula_is_the_one_that_began() -> None:
    """A published formula with another binding has the same folder, and is another formula."""
    two, three = (settle(resolve("multi-residual", {"k": k}), Options()) for k in (2, 3))
    assert two.folder == three.folder
    two.check(two.settings)
    with pytest.raises(InputError, match=r"keeps formula: .*F\[n, 2\]\(x\[n-1\]\), but asked for is .*F\[n, 3\]"):
        three.check(two.settings)
