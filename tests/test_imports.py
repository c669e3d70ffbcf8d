"""Imports between packages go one way, and heavy libraries are loaded only where they are used."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import cones

ROOT = Path(cones.__file__).parent

# what each room, and each module at the door, may import of the package
ALLOWED = {
    "common": set(),
    "margins": {"common"},
    "engine": {"common", "margins"},
    "bounds": {"common"},
    "suggestion": {"bounds", "common", "margins"},
    "head": {"common", "engine", "margins", "suggestion"},
    "class_sgd": {"common", "head"},
    "subcenters": {"common", "engine", "head", "margins"},
    "layers": {"common"},
    "probability": {"common"},
    "feature_losses": {"common", "engine", "margins"},
    "probing": {"feature_losses", "margins"},
    "catalogue": {"common", "engine", "feature_losses", "margins", "probing"},
    "linter": {"common", "engine", "margins", "plots", "probing"},
    "migrate": {"common", "head", "margins"},
    "backbones": {"common"},
    "data": {"common"},
    "protocols": {"common", "data"},
    "evaluation": {"common"},
    "training": {
        "backbones", "class_sgd", "common", "data", "engine", "evaluation", "feature_losses", "head", "margins",
        "protocols",
    },
    "embedding": {"common", "data", "evaluation", "protocols", "training"},
    "export": {"common", "data", "embedding", "evaluation", "training"},
    "open_set": {"common", "data", "embedding", "evaluation", "plots", "protocols", "training"},
    "plots": {"catalogue", "common", "engine", "evaluation", "feature_losses", "margins", "probing"},
    "cli": {
        "backbones", "catalogue", "common", "data", "embedding", "engine", "evaluation", "export", "linter", "margins",
        "migrate", "open_set", "plots", "protocols", "suggestion", "training",
    },
    "__main__": {"cli", "common"},
    "__init__": {
        "backbones", "bounds", "catalogue", "class_sgd", "common", "data", "embedding", "engine", "evaluation",
        "export", "feature_losses", "head", "layers", "linter", "margins", "migrate", "open_set", "plots",
        "probability", "protocols", "subcenters", "suggestion", "training",
    },
}  # fmt: skip

ONLY_IN = {
    "matplotlib": {"plots"},
    "jinja2": {"plots"},
    "PIL": {"data"},
    "rich": {"cli", "data"},
    "tyro": {"cli", "training"},
    "tensorboard": {"training"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
}


def part(path):
    inside = path.relative_to(ROOT)
    return inside.parts[0].removesuffix(".py")


def imports(path, top=ROOT.parent, *, at_run_time=False):
    """Full names of what a file below `top` imports; `at_run_time` leaves out what is in functions or for types."""
    package = path.relative_to(top).parts[:-1]
    tree = ast.parse(path.read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in nodes if at_run_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    here = part(path)
    assert here in ALLOWED, f"say in ALLOWED what the new part {here} may import"
    for name in imports(path):
        outer, *inner = name.split(".")
        if outer == "cones" and inner and inner[0] in ALLOWED:
            assert inner[0] == here or inner[0] in ALLOWED[here], f"{here} must not import {inner[0]}"
        if outer in ONLY_IN:
            assert here in ONLY_IN[outer], f"{outer} must not be imported in {here}"


def test_a_private_module_is_imported_inside_its_package_alone():
    for path in FILES:
        here = path.relative_to(ROOT.parent).parts[:-1]
        for name in imports(path):
            parts = name.split(".")
            for place, one in enumerate(parts):
                if parts[0] == "cones" and one.startswith("_") and not one.startswith("__"):
                    package = tuple(parts[:place])
                    assert here[:place] == package, f"{path.relative_to(ROOT)} imports {name}, private to {package}"


def test_the_specification_knows_nothing_of_the_engine_that_it_specifies():
    inside = {name.split(".")[2] for name in imports(ROOT / "engine" / "dense.py") if name.startswith("cones.engine.")}
    assert inside == {"checks", "draws", "similarity"}


@pytest.mark.parametrize("top", ["src", "benchmarks"])
def test_no_circle_of_imports(top):
    folder = ROOT.parent if top == "src" else ROOT.parents[1]
    files = FILES if top == "src" else sorted((folder / top).rglob("*.py"))
    named = {".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    arrows = {}
    for name, path in named.items():
        targets = {
            each if each in named else each.rpartition(".")[0] for each in imports(path, folder, at_run_time=True)
        }
        arrows[name] = {each for each in targets if each in named and not f"{name}.".startswith(f"{each}.")} - {name}
    graphlib.TopologicalSorter(arrows).prepare()  # raises CycleError


def test_import_cones_loads_nothing_heavy():
    code = "import sys, cones; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {
        "onnx",
        "onnxruntime",
        "matplotlib",
        "jinja2",
        "PIL",
        "rich",
        "tyro",
        "tensorboard",
        "pandas",
        "scipy",
        "safetensors",
        "tomli_w",
    }
    assert loaded.isdisjoint(heavy)


def test_every_public_name_says_what_it_is():
    for name in cones.__all__:
        assert (getattr(cones, name).__doc__ or "").strip(), name


def test_no_module_is_long():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 300, path
