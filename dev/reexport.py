"""Re-export every margin and feature loss from `cones`.

python dev/reexport.py [ROOT]

Type checkers need each name spelled out in src/cones/__init__.py, in an import and in __all__; this writes both from
the `__init__.py` of cones.margins and cones.feature_losses, and leaves the other lines alone. `make losses` runs it and
sorts the lines.
"""

import re
import sys
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_LOSSES = ("_margin", "_parse")
"""Modules of cones.margins that define no loss: what `cones` re-exports of them is chosen by hand."""


def main() -> None:
    """Rewrite src/cones/__init__.py below ROOT, the folder of this repository unless it is given."""
    package = (Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT) / "src" / "cones"
    path = package / "__init__.py"
    text = path.read_text(encoding="utf-8")
    for room in ("margins", "feature_losses"):
        names = dict(exported((package / room / "__init__.py").read_text(encoding="utf-8")))
        losses = [name for name, module in names.items() if module not in NO_LOSSES]
        text = reexported(text, room, names.keys(), losses)
    path.write_text(text, encoding="utf-8")


def exported(text: str) -> list[tuple[str, str]]:
    """Return the public names of a package's `__init__.py`, each with the module it comes from."""
    return [(name, module) for module, name in re.findall(r"^from \.(\w+) import (\w+) as \2$", text, re.MULTILINE)]


def reexported(text: str, room: str, names: Collection[str], losses: list[str]) -> str:
    """Return `text`, of src/cones/__init__.py, with an import and a line in __all__ for each loss of a room.

    Args:
        text: the file as it is.
        room: "margins" or "feature_losses".
        names: all public names of the room; a line for any other is removed.
        losses: the names that must be there.
    """
    there = re.findall(rf"^from \.{room} import (\w+) as \1$", text, re.MULTILINE)
    for gone in set(there) - set(names):
        text = text.replace(line(room, gone), "").replace(item(gone), "")
    for new in set(losses) - set(there):
        text = text.replace(line(room, there[0]), line(room, there[0]) + line(room, new))
        text = text.replace("__all__ = [\n", "__all__ = [\n" + item(new))
    return text


def line(room: str, name: str) -> str:
    """Return the import of a name."""
    return f"from .{room} import {name} as {name}\n"


def item(name: str) -> str:
    """Return the line of a name in __all__."""
    return f'    "{name}",\n'


if __name__ == "__main__":
    main()
