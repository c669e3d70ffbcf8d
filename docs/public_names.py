"""The public modules of the package, and what defines each of their names.

The source is read, not imported, so that what is found is the same on every version of Python and PyTorch. A module's
public names are those that its file re-exports, `from ._file import Name as Name`, or defines and lists in __all__.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "cones"

MODULES = (
    "cones", "cones.margins", "cones.feature_losses", "cones.bounds", "cones.suggestion", "cones.subcenters",
    "cones.linter", "cones.catalogue", "cones.engine.planner", "cones.migrate", "cones.backbones", "cones.data",
    "cones.training", "cones.embedding", "cones.export", "cones.evaluation", "cones.open_set", "cones.protocols",
    "cones.plots",
)  # fmt: skip
"""The public modules. cones.engine.planner is `cones.planner`."""


@dataclass(frozen=True)
class Definition:
    """A public name and the node that defines it.

    Attributes:
        name: as it is public.
        node: of its class, function or assignment.
        text: the string below an assignment, otherwise the docstring.
        home: the public module whose page describes it; for a name of `cones`, the module it comes from.
        path: the file it is defined in.
    """

    name: str
    node: ast.stmt
    text: str
    home: str
    path: Path


@cache
def definitions(module: str) -> list[Definition]:
    """Return the public names of a module with what defines them, in alphabetical order."""
    path = file_of(module)
    found, modules = [], set()
    for node in (node for node in parsed(path).body if isinstance(node, ast.ImportFrom)):
        for alias in node.names:
            if is_module(path, node, alias.name):
                modules.add(alias.name)
            elif alias.asname == alias.name:
                home = f"cones.{(node.module or '').split('.')[0]}"
                found.append(defined(alias.name, path, home if module == "cones" and home in MODULES else module))
    others = set(all_of(path)) - {one.name for one in found} - modules
    found += [defined(name, path, module) for name in others]
    return sorted(found, key=lambda one: (one.name.lower(), one.name))


def is_module(path: Path, node: ast.ImportFrom, name: str) -> bool:
    """Tell whether what an import names is a module."""
    file = source(path, node)
    folder = file.parent if file.name == "__init__.py" else file.with_suffix("")
    return (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()


def all_of(path: Path) -> list[str]:
    """Return the names in a literal __all__, none where it is computed or missing."""
    for node in parsed(path).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List):
            continue
        if [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def defined(name: str, path: Path, home: str) -> Definition:
    """Follow imports from a file to the definition of a name."""
    body = parsed(path).body
    for place, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Definition(name, node, ast.get_docstring(node) or "", home, path)
        target = getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and target.id == name:
            return Definition(name, node, below(body, place), home, path)
    for node in body:
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return defined(next(a.name for a in node.names if (a.asname or a.name) == name), source(path, node), home)
    raise LookupError(f"{path} neither defines nor imports {name}")


def below(body: list[ast.stmt], place: int) -> str:
    """Return the string that stands below an assignment and describes it."""
    following = body[place + 1] if place + 1 < len(body) else None
    value = following.value if isinstance(following, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def source(path: Path, node: ast.ImportFrom) -> Path:
    """Return the file that an import inside the package reads."""
    if node.level:
        folder = path.parent
        for _ in range(node.level - 1):
            folder = folder.parent
        parts = (node.module or "").split(".") if node.module else []
    else:
        folder, parts = PACKAGE.parent, (node.module or "").split(".")
    target = folder.joinpath(*parts)
    return target / "__init__.py" if target.is_dir() else target.with_suffix(".py")


def file_of(module: str) -> Path:
    """Return the file of a module of the package."""
    target = PACKAGE.parent.joinpath(*module.split("."))
    return target / "__init__.py" if target.is_dir() else target.with_suffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    """Return the tree of a file, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def docstring(path: Path) -> str:
    """Return the docstring of a module."""
    return ast.get_docstring(parsed(path)) or ""
