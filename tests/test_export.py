"""Exports: what is written computes what our network computes, in a process that has no formulanas."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from model_folders import keep_model, retraining
from torch import nn

from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.architecture.layers import Shape
from formulanas.cli.main import main
from formulanas.errors import InputError
from formulanas.export import export as exporting
from formulanas.export.export import export
from formulanas.export.formats import renamed_weights
from formulanas.export.python_code import PythonCode, python_code
from formulanas.formula.bind import bind
from formulanas.formula.published import atlas, bind_formula
from formulanas.network.network import Network, build
from formulanas.store.models import WEIGHTS_FILE

IMAGE = (3, 16, 16)
FORMULAS = [name for name, entry in atlas().items() if entry.formula]
BACKBONES = {
    "basic": Backbone((8, 16, 32), (3, 3, 3)),
    "res2net": Backbone((32, 64), (2, 2), transform="res2net"),
    "preactivation": Backbone((8, 16, 32), (3, 3, 3), transform="preactivation", stem_width=4),
    "large stem, one stage of one block": Backbone(
        (8, 16, 32), (2, 1, 3), stem_kernel=7, stem_stride=2, stem_pool=True
    ),
    "squeezed bottleneck with biases": Backbone((32, 64), (2, 4), transform="bottleneck", squeeze=4, conv_bias=True),
    "mbconv": Backbone((8, 16), (2, 2), transform="mbconv", activation="silu"),
}
SMALL = BACKBONES["basic"]
QUICK = ("basic", "res2net")
PUBLISHED = ["resnet18", "preact-20", "wrn-28-10", "seresnet18", "res2next29-6c24w4s", "resnext29-2x64d"]
FIVE = {
    "resnet-s": {},
    "accumulated": {},
    "multi-residual": {"k": "3"},
    "densenet": {},
    "highway": {},
}


def exported(formula: str, over: Backbone, image: Shape = IMAGE) -> tuple[Network, PythonCode, nn.Module]:
    """Our network with its norms moved from their start, its code, and the network of that code with our weights."""
    ours = build(Architecture(bind_formula(formula), over, image, 10), 0)
    generator = torch.Generator().manual_seed(0)
    for weight in ours.state_dict().values():
        if weight.ndim == 1 and weight.is_floating_point():
            weight += 0.1 * torch.rand(weight.shape, generator=generator)
    code = python_code(ours.architecture, formula, ["A test."], has_weights=False)
    namespace: dict[str, object] = {"__name__": "exported"}
    exec(compile(code.text, "exported", "exec"), namespace)
    theirs = namespace[code.network]()  # type: ignore[operator]
    theirs.load_state_dict(renamed_weights(ours, code))
    return ours, code, theirs


@pytest.mark.parametrize(
    "over", [over if over in QUICK else pytest.param(over, marks=pytest.mark.slow) for over in BACKBONES]
)
@pytest.mark.parametrize("name", FORMULAS)
def test_code_of_every_published_formula_computes_the_same(name: str, over: str) -> None:
    """Logits are equal to the last bit, since the code does the same operations in the same order."""
    ours, _, theirs = exported(name, BACKBONES[over])
    images = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(theirs.eval()(images), ours.eval()(images))


@pytest.mark.slow
@pytest.mark.parametrize("over", PUBLISHED)
@pytest.mark.parametrize("name", ["highway", "resnet-s", "accumulated", "poly-2", "shake-shake", "dlcl"])
def test_code_over_published_backbones_computes_the_same(name: str, over: str) -> None:
    """Logits are equal to the last bit at the published widths."""
    ours, _, theirs = exported(name, backbone(over))
    images = torch.randn(1, *IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(theirs.eval()(images), ours.eval()(images))


@pytest.mark.parametrize("name", FIVE)
def test_code_trains_as_our_network(name: str) -> None:
    """In training mode logits and running statistics are those of our network, and gradients to float32 rounding."""
    ours, code, theirs = exported(name, backbone("cifar-resnet-20"))
    images = torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(1))
    logits = [network.train()(images) for network in (ours, theirs)]
    for each in logits:
        each.square().sum().backward()
    assert torch.equal(*logits)
    largest = max(float(each.grad.abs().max()) for each in ours.parameters() if each.grad is not None)
    for module, place in code.places.items():
        pairs = zip(ours.get_submodule(module).parameters(), theirs.get_submodule(place).parameters(), strict=True)
        for a, b in pairs:
            assert a.grad is not None
            assert b.grad is not None
            assert (a.grad - b.grad).abs().max() <= 1e-5 * largest
    state = theirs.state_dict()
    assert all(torch.equal(state[key], value) for key, value in renamed_weights(ours, code).items())


@pytest.mark.parametrize("name", FIVE)
def test_code_runs_where_formulanas_is_not(name: str, tmp_path: Path) -> None:
    """The command writes one file that imports only torch, and checks it in a process without formulanas."""
    bound = [f"--bind={symbol}={value}" for symbol, value in FIVE[name].items()]
    target = "x[n] = x[n-1] + sum(F[n, j](x[n-1]), (j, 1, k))" if name == "multi-residual" else name
    path = tmp_path / "network.py"
    result = CliRunner().invoke(main, ["export", target, "-o", str(path), *bound, "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["difference"] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["network.py"]
    imports = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert {line.split()[1].split(".")[0] for line in imports} <= {"torch", "functools", "operator", "collections"}


def test_resnet_s_reads_as_its_formula() -> None:
    """The block of ResNet-s is written as eq. (20) of 2108.08689, and its stages are loops."""
    text = exported("resnet-s", backbone("cifar-resnet-56"))[1].text
    assert "        new_f = self.F(x)\n        x = torch.relu(x + new_f) - f\n        return x, new_f\n" in text
    assert "        for block in self.stage3:\n            x, f = block(x, f)\n        return self.head(x)\n" in text
    assert "self.stage2 = nn.ModuleList([TransitionBlock(16, 32), *(Block(32) for _ in range(8))])" in text
    assert text.count("(nn.Module):") == 4  # three kinds of blocks, and the network
    assert text.index("x[n] = relu(x[n-1] + F[n](x[n-1])) - F[n-1](x[n-2])") < text.index("import")


def test_a_history_moves_on_by_one_block_a_turn() -> None:
    """x[n-2] is what x[n-1] was a block ago, also in the first block and the last, so that every stage is one loop."""
    text = exported("midpoint", SMALL)[1].text
    assert "        x1 = x2 = self.stem(images)\n        for block in self.stage1:\n" in text
    assert text.count(":\n            x1, x2 = block(x1, x2), x1\n") == 3
    assert "        for block in self.stage3:\n" in text


@pytest.mark.parametrize("name", FORMULAS)
def test_every_published_formula_is_written_as_blocks(name: str) -> None:
    """No network is written line by line: its forward pass calls blocks, and never a layer of one."""
    text = python_code(Architecture(bind_formula(name), SMALL, IMAGE, 10), name, [], has_weights=False).text
    forward = text[text.rindex("    def forward(self, images: Tensor)") :]
    assert text.count(" = nn.ModuleList(") == len(SMALL.depths)
    calls = [line for line in forward.splitlines() if "block(" in line or "self.stage" in line]
    assert len(calls) >= len(SMALL.depths)
    assert len(forward.splitlines()) <= 4 + len(SMALL.stages)  # its signature, batch, stem and head


def test_states_of_no_fixed_distance_are_called_after_their_blocks() -> None:
    """SparseNet adds x[n-1], x[n-2], x[n-4] and so on (1801.05895): block 7 of 9 reads x[6], x[5] and x[3]."""
    text = python_code(Architecture(bind_formula("sparsenet"), SMALL, IMAGE, 10), "", [], has_weights=False).text
    assert "(x1 + x2 + x4)" in text
    assert "        x7 = self.stage3[0](x6, x5, x3)\n" in text


@pytest.mark.parametrize(
    "name", ["resnet-s", "denseformer", "densenet", "hyper-connections", "midpoint", "swapout", "dpn"]
)
def test_code_is_formatted(name: str, tmp_path: Path) -> None:
    """The formatter of this project leaves the file as it is."""
    path = tmp_path / "network.py"
    for over in QUICK:
        path.write_text(exported(name, BACKBONES[over])[1].text)
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--check", str(path)]
        assert subprocess.run(command, capture_output=True).returncode == 0


def test_fresh_weights_are_drawn_as_ours() -> None:
    """Convolutions start with the deviation sqrt(2 / fan-out) and no bias, gates with the bias -2."""
    over = Backbone((64,), (2,), conv_bias=True)
    code = python_code(Architecture(bind_formula("highway"), over, IMAGE, 10), "highway", [], has_weights=False)
    namespace: dict[str, object] = {"__name__": "exported"}
    exec(compile(code.text, "exported", "exec"), namespace)
    torch.manual_seed(0)
    network = namespace[code.network]()  # type: ignore[operator]
    conv, gate = network.stage1[0].F[0], network.stage1[0].T[0]
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert float(gate.weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not conv.bias.any()
    assert gate.bias.eq(-2).all()


def test_chance_is_in_the_code() -> None:
    """Stochastic depth changes the logits of the code in training mode, and not in evaluation mode."""
    _, _, theirs = exported("stochastic-depth", backbone("cifar-resnet-20"))
    images = torch.randn(8, *IMAGE, generator=torch.Generator().manual_seed(1))
    theirs.eval()
    assert torch.equal(theirs(images), theirs(images))
    for module in theirs.modules():
        if type(module).__name__ == "StochasticDepth":
            module.train()
    assert not torch.equal(theirs(images), theirs(images))


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
@pytest.mark.parametrize(
    "name", ["resnet-s", *(pytest.param(name, marks=pytest.mark.slow) for name in ("shake-shake", "densenet"))]
)
def test_other_formats_take_any_number_of_images(name: str, kind: str, tmp_path: Path) -> None:
    """The file gives our logits, to float32 rounding, for batches of another size than it was made with."""
    path = tmp_path / f"network.{kind}"
    done = export(name, path, backbone_name="cifar-resnet-20")
    assert done.difference < 1e-5
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    images = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ours = build(Architecture(bind_formula(name), backbone("cifar-resnet-20"), (3, 32, 32), 10), seed=0).eval()
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        logits = torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])
    else:
        logits = torch.export.load(path).module()(images)
    with torch.no_grad():
        assert torch.allclose(logits, ours(images), atol=1e-4)


def test_a_trained_network_keeps_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of a retrained model lie beside the code, under the code's names; load() reads them."""
    monkeypatch.chdir(tmp_path)
    trained = exported("resnet-s", SMALL, image=(3, 32, 32))[0].eval()
    keep_model(Path("model"), retraining("resnet-s", backbone=SMALL, backbone_name="small"), None)
    torch.save(trained.state_dict(), Path("model") / WEIGHTS_FILE)
    done = export("model", "network.py")
    assert done.trained
    assert done.files == ("network.py", "network.pt")
    assert done.difference == 0
    assert "stage1.0.F.0.weight" in torch.load("network.pt", weights_only=True)
    network = runpy.run_path("network.py")["load"]()
    assert not network.training
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(network(images), trained(images))
    with pytest.raises(InputError, match="give neither"):
        export("model", "other.py", backbone_name="resnet18")


@pytest.mark.parametrize("ending", ["py", "pt2"])
def test_a_wrong_export_leaves_no_file(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the logits differ the command fails, and an older file stays as it was."""
    write = getattr(exporting, "write_python" if ending == "py" else "write_pt2")
    monkeypatch.setattr(exporting, write.__name__, lambda *given: [each + 1 for each in write(*given)])
    path = tmp_path / f"network.{ending}"
    path.write_text("older")
    result = CliRunner().invoke(main, ["export", "resnet", "-o", str(path)])
    assert result.exit_code == 2
    assert "differ" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "older"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet", "-o", "network.txt"), "give --format"),
        (("resnet", "-o", "network.py", "--format", "onx"), "did you mean 'onnx'"),
        (("resnet", "-o", "network.txt", "--format", "python"), "ends in .py"),
        (("resnet", "-o", "nowhere/network.py"), "no folder"),
        (("resnt", "-o", "network.py"), "did you mean 'resnet'"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, what to do next, and no file."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["export", *arguments])
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnxruntime the error says what to install."""
    monkeypatch.setattr("formulanas.export.formats.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"formulanas\[onnx\]"):
        export("resnet", tmp_path / "network.onnx")


def test_a_formula_of_ones_own_is_exported() -> None:
    """History of three states and two cached functions: states are called by their distance."""
    formula = "x[n] = relu(0.5 * x[n-1] + 0.5 * x[n-3] + F[n](x[n-1])) - 0.5 * F[n-1](x[n-2]) - 0.25 * F[n-2](x[n-3])"
    over = Backbone((8, 16), (8, 8))
    ours = build(Architecture(bind(formula), over, IMAGE, 10), 0).eval()
    code = python_code(ours.architecture, "A recursion", [], has_weights=False)
    assert "def forward(self, x1: Tensor, x3: Tensor, f1: Tensor, f2: Tensor) -> tuple[Tensor, Tensor]:" in code.text
    namespace: dict[str, object] = {"__name__": "exported"}
    exec(compile(code.text, "exported", "exec"), namespace)
    theirs = namespace[code.network]().eval()  # type: ignore[operator]
    theirs.load_state_dict(renamed_weights(ours, code))
    images = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(theirs(images), ours(images))
