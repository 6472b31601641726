"""The map of the house: which part may import which, and that formulas need no torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "formulanas"
LAYERS = [  # a module imports its own layer and those above it in this list
    {"errors", "seeds", "progress"},
    {"formula"},
    {"architecture", "recipe", "records"},
    {"store", "analysis", "data", "diagram"},
    {"network", "statistics"},
    {"training", "cluster"},
    {"search", "retrain", "export", "compare", "reproduce"},
    {"report"},
    {"api", "cli", "__main__"},
]
HOMES = {  # a package, and where alone it may be imported
    "torch": {"network", "data", "training", "search", "retrain", "export"},
    "optuna": {"search/study"},
    "ray": {"cluster", "search/executors", "retrain"},
    "click": {"cli"},
    "yaml": {"records"},
    "pydantic": {"records"},
    "rich": {"report"},
}
PHASES = [  # of the search, as LAYERS; its other modules lie above them
    {"space"},
    {"screening", "samplers", "executors"},
    {"study"},
]
UNPUBLISHED = ROOT / "search" / "study" / "optuna_private.py"  # where alone names stand that Optuna does not publish
TORCH_FREE = [
    "formula.parse",
    "formula.published",
    "analysis.paths",
    "architecture.plan",
    "data.catalogue",
    "statistics.leaderboard",
    "store.targets",
    "report.show",
    "reproduce.reproduce",
]


def modules() -> dict[Path, str]:
    """Every module and the part of the house that it belongs to."""
    paths = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    return {path: path.relative_to(ROOT).parts[0].removesuffix(".py") for path in paths}


def imports(path: Path) -> set[str]:
    """The full names of the modules that a file imports, also within functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_a_part_imports_its_own_layer_and_those_below() -> None:
    """Formula <- architecture <- store, analysis, data <- network, statistics <- training <- search <- report <- cli."""
    rank = {part: place for place, parts in enumerate(LAYERS) for part in parts}
    for path, part in modules().items():
        for name in imports(path):
            if name.startswith("formulanas."):
                other = name.split(".")[1]
                assert rank[other] <= rank[part], f"{path.relative_to(ROOT)} imports {name}"
                assert {part, other} not in ({"network", "data"}, {"network", "statistics"})


@pytest.mark.parametrize("package", HOMES)
def test_each_library_has_its_home(package: str) -> None:
    """Torch begins at network and data; optuna lives in search, click in cli, yaml where documents are read."""
    for path in modules():
        if any(name.split(".")[0] == package for name in imports(path)):
            place = path.relative_to(ROOT).with_suffix("").as_posix()
            assert any(f"{place}/".startswith(f"{home}/") for home in HOMES[package]), f"{place} imports {package}"


def test_a_phase_of_the_search_imports_its_own_and_those_below() -> None:
    """Space <- screening, samplers, executors <- study <- the driver and what else brings them together."""
    rank = {phase: place for place, phases in enumerate(PHASES) for phase in phases}
    for path in (ROOT / "search").rglob("*.py"):
        own = rank.get(path.relative_to(ROOT / "search").parts[0], len(PHASES))
        for name in imports(path):
            if name.startswith("formulanas.search."):
                assert rank.get(name.split(".")[2], len(PHASES)) <= own, f"{path.relative_to(ROOT)} imports {name}"


def test_what_optuna_does_not_publish_stands_in_one_file() -> None:
    """No other file that imports Optuna reads a private name, as an attribute, an import or a text, but its own."""
    users = [path for path in modules() if any(name.split(".")[0] == "optuna" for name in imports(path))]
    assert UNPUBLISHED in users
    for path in users:
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(value=ast.Name("self")):
                    pass
                case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                    names.add(name)
                case ast.ImportFrom(module=str(module), names=aliases):
                    names |= {*module.split("."), *(alias.name for alias in aliases)}
        private = {name for name in names if re.fullmatch(r"_[a-z]\w*", name)}
        assert bool(private) == (path == UNPUBLISHED), f"{path}: {private}"


def test_text_reaches_a_terminal_in_one_place() -> None:
    """Only report/terminal.py prints by rich, which reads no markup there; elsewhere a text is what it says."""
    for path in modules():
        text = path.read_text()
        assert ("rich" in {name.split(".")[0] for name in imports(path)}) == (path == ROOT / "report" / "terminal.py")
        assert not re.search(r"from_markup|rich\.markup|markup=True|\[/?(bold|dim|yellow|green|red)\b", text), path
        assert path.name == "terminal.py" or "console.print" not in text, path


@pytest.mark.parametrize("module", TORCH_FREE)
def test_formulas_need_no_torch(module: str) -> None:
    """Importing the formula's side of the house loads no torch."""
    code = f"import sys, formulanas.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_file_is_a_drawer() -> None:
    """Files have names that say one idea, a first line that says it, and at most 300 lines."""
    for path in modules():
        assert path.stem not in {"utils", "util", "common", "helpers", "base", "types", "misc"}
        text = path.read_text()
        assert path.name == "__init__.py" or text.startswith('"""')
        assert text.count("\n") <= 300, path
