"""Print the rooms of the package, which of them import which, and on how many floors they are.

python dev/arrows.py

A room is a folder of src/cones or a module beside them. An arrow is a pair of rooms of which one imports the other; the
floor of a room is one above the highest that it imports.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src" / "cones"


def arrows() -> dict[str, set[str]]:
    """Rooms that each room imports."""
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        package = ("cones", *inside.parts[:-1])
        room = inside.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = package[: len(package) + 1 - node.level] if node.level else ()
            for alias in node.names:
                name = ".".join([*base, *([node.module] if node.module else []), alias.name]).split(".")
                if name[0] == "cones" and len(name) > 1 and name[1] in rooms:
                    found[room].add(name[1])
    return {room: targets - {room} for room, targets in found.items()}


def main() -> None:
    """Print the arrows by floor, and the sums."""
    to = arrows()

    @cache
    def floor(room: str) -> int:
        return 1 + max((floor(target) for target in to[room]), default=0)

    for room in sorted(to, key=lambda room: (floor(room), room)):
        print(f"{floor(room):2d}  {room:16s} {' '.join(sorted(to[room]))}")
    modules = sorted(path.name for path in ROOT.glob("*.py"))
    print(f"\n{len(modules)} modules at the top: {', '.join(modules)}")
    print(f"{len(to)} rooms, {max(map(floor, to))} floors, {sum(map(len, to.values()))} arrows")


if __name__ == "__main__":
    main()
