"""Arrows between the parts point one way, and heavy libraries are loaded only where they are used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cones

ROOT = Path(cones.__file__).parent

# what each part may import of the package; a part is a folder or a module
ALLOWED = {
    "files": set(),
    "geometry": set(),
    "notation": set(),
    "probability": set(),
    "bounds": set(),
    "margins": {"notation", "margins"},
    "arguments": {"margins"},
    "collective": {"arguments"},
    "suggestion": {"bounds", "margins"},
    "planner": set(),
    "products": set(),
    "tiles": {"geometry", "margins", "planner", "products"},
    "streaming": {"arguments", "planner", "products", "tiles"},
    "operator": {"streaming", "tiles"},
    "bending": {"margins", "products", "tiles"},
    "classes": {"collective", "margins", "streaming"},
    "small": {"classes", "geometry", "margins"},
    "layer": {"arguments", "bending", "classes", "collective", "geometry", "margins", "operator", "small", "tiles"},
    "softmax": {"arguments", "classes", "collective", "geometry", "layer", "margins", "planner"},
    "situation": {"margins"},
    "linter": {"layer", "margins", "notation", "planner", "plots", "situation", "softmax", "tiles"},
    "head": {
        "arguments", "classes", "collective", "layer", "margins", "planner", "sampling", "softmax", "streaming",
        "suggestion",
    },
    "sampling": {"streaming"},
    "class_sgd": {"head"},
    "subcenters": {"arguments", "geometry", "head", "margins"},
    "layers": {"geometry"},
    "feature_losses": {"arguments", "classes", "geometry", "layer", "margins", "planner", "softmax"},
    "backbones": {"notation"},
    "data": {"files"},
    "protocols": {"data", "files"},
    "evaluation": {"files", "geometry"},
    "training": {
        "arguments", "backbones", "data", "evaluation", "feature_losses", "files", "geometry", "head", "layer",
        "margins", "notation", "softmax",
    },
    "embedding": {"data", "evaluation", "protocols", "training"},
    "export": {"data", "embedding", "evaluation", "files", "geometry", "training"},
    "open_set": {"data", "embedding", "evaluation", "files", "plots", "protocols", "training"},
    "plots": {
        "catalogue", "evaluation", "files", "geometry", "margins", "notation", "probe", "scenes", "situation",
        "softmax",
    },
    "migrate": {"files", "head", "margins"},
    "probe": {"margins"},
    "scenes": set(),
    "catalogue": {"feature_losses", "layer", "margins", "notation", "probe", "scenes"},
    "display": set(),
    "stage_display": set(),
    "commands": {"model_commands", "training"},
    "model_commands": set(),
    "cli": {"actions", "commands", "model_actions", "model_commands", "notation", "training"},
    "model_actions": {
        "commands", "embedding", "evaluation", "export", "model_commands", "open_set", "protocols", "stage_display",
    },
    "actions": {
        "catalogue", "commands", "data", "display", "linter", "margins", "migrate", "planner", "plots", "suggestion",
        "training",
    },
    "__main__": {"cli"},
    "__init__": {
        "bounds", "class_sgd", "feature_losses", "head", "layers", "linter", "margins", "probability", "softmax",
        "subcenters", "suggestion",
    },
}  # fmt: skip

ONLY_IN = {
    "matplotlib": {"plots"},
    "jinja2": {"plots"},
    "PIL": {"data"},
    "rich": {"actions", "cli", "data", "display", "model_actions", "stage_display"},
    "tyro": {"cli", "commands", "model_commands"},
    "tensorboard": {"training"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
}


def part(path):
    inside = path.relative_to(ROOT)
    return inside.parts[0].removesuffix(".py")


def imports(path):
    """Full names of what a file imports."""
    package = ["cones", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
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
