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
    "notation": {"aliases"},
    "probability": {"transforms"},
    "bounds": set(),
    "margins": {"aliases", "import_path", "margins", "notation", "transforms"},
    "arguments": {"margins", "transforms"},
    "collective": {"arguments", "margins"},
    "suggestion": {"bounds", "margins"},
    "planner": set(),
    "products": set(),
    "first_order": set(),
    "tiles": {"geometry", "margins", "planner", "products"},
    "streaming": {"arguments", "geometry", "planner", "products", "tiles"},
    "operator": {"first_order", "streaming", "tiles", "transforms"},
    "bending": {"first_order", "margins", "products", "tiles"},
    "classes": {"collective", "geometry", "margins", "streaming"},
    "similarity": {"arguments", "geometry", "margins"},
    "few_logits": {"geometry", "margins", "products", "transforms"},
    "small": {"classes", "few_logits", "geometry", "margins", "transforms"},
    "layer": {
        "arguments", "bending", "classes", "collective", "few_logits", "geometry", "margins", "operator", "similarity",
        "small", "tiles",
    },
    "losses": {
        "arguments", "classes", "collective", "geometry", "ignored", "layer", "margins", "planner", "processor",
        "similarity",
    },
    "situation": {"margins"},
    "linter": {"losses", "margins", "notation", "planner", "plots", "similarity", "situation", "tiles"},
    "head": {
        "arguments", "buffers", "classes", "collective", "ignored", "layer", "losses", "margins", "planner",
        "processes", "processor", "sampling", "streaming", "suggestion", "watching",
    },
    "sampling": {"classes", "streaming"},
    "class_sgd": {"head"},
    "subcenters": {"arguments", "geometry", "head", "margins"},
    "layers": {"geometry"},
    "feature_losses": {
        "arguments", "buffers", "classes", "geometry", "layer", "losses", "margins", "planner", "similarity",
        "transforms", "watching",
    },
    "backbones": {"import_path", "notation"},
    "data": {"extras", "files"},
    "protocols": {"data", "extras", "files", "tensor_file"},
    "evaluation": {"extras", "files", "geometry"},
    "training": {
        "aliases", "arguments", "backbones", "data", "evaluation", "extras", "feature_losses", "files", "geometry",
        "head", "import_path", "layer", "losses", "margins", "notation", "processor", "products", "run_folder",
        "similarity", "tensor_file",
    },
    "embedding": {"data", "evaluation", "protocols", "training"},
    "export": {"data", "embedding", "evaluation", "files", "geometry", "notation", "training"},
    "open_set": {"data", "embedding", "evaluation", "extras", "files", "plots", "protocols", "training"},
    "plots": {
        "catalogue", "evaluation", "extras", "files", "geometry", "import_path", "losses", "margins", "notation",
        "printable", "probe", "run_folder", "scenes", "situation", "tensor_file",
    },
    "migrate": {"files", "head", "import_path", "margins", "notation", "tensor_file"},
    "probe": {"margins"},
    "scenes": set(),
    "catalogue": {"feature_losses", "margins", "notation", "probe", "scenes", "similarity"},
    "display": {"printable", "terminal"},
    "commands": {"model_commands", "training"},
    "model_commands": set(),
    "cli": {
        "actions", "commands", "extras", "import_path", "model_actions", "model_commands", "notation", "options",
        "terminal", "training",
    },
    "stage_display": {"terminal"},
    "model_actions": {
        "commands", "embedding", "evaluation", "export", "model_commands", "open_set", "protocols", "stage_display",
        "terminal",
    },
    "actions": {
        "catalogue", "commands", "comparison_display", "data", "display", "extras", "linter", "margins", "migrate",
        "planner", "plots", "processor", "run_folder", "suggestion", "terminal", "training",
    },
    "__main__": {"cli", "extras", "interrupts"},
    "__init__": {
        "backbones", "bounds", "catalogue", "class_sgd", "data", "embedding", "evaluation", "export", "feature_losses",
        "head", "interrupts", "layers", "linter", "losses", "margins", "migrate", "open_set", "planner", "plots",
        "probability", "protocols", "subcenters", "suggestion", "training",
    },
    "extras": set(),
    "interrupts": set(),
    "transforms": set(),
    "processor": {"products"},
    "comparison_display": {"terminal"},
    "aliases": set(),
    "options": {"training"},
    "ignored": {"transforms"},
    "processes": {"collective"},
    "buffers": set(),
    "watching": set(),
    "import_path": {"notation"},
    "printable": set(),
    "run_folder": {"notation"},
    "tensor_file": {"extras"},
    "terminal": {"printable"},
}  # fmt: skip

ONLY_IN = {
    "matplotlib": {"plots"},
    "jinja2": {"plots"},
    "PIL": {"data"},
    "rich": {"actions", "comparison_display", "data", "display", "stage_display", "terminal"},
    "tyro": {"cli", "commands", "model_commands", "options", "training"},
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
