"""Page that compares the class layer on several processors."""

from typing import Any

from benchmarks.class_layer.contenders import (
    BARE_ARCFACE,
    CONES,
    CONES_LOW,
    CONES_TIGHT,
    FAST_PRODUCTS,
    INDEXED,
    LINEAR_CE,
)
from benchmarks.class_layer.summary import find, in_turn, over, ratio
from benchmarks.class_layer.table import table

LARGE = {"rows": 512, "classes": 100_000, "dim": 512}
MIDDLE = {"rows": 256, "classes": 10_000, "dim": 512}
SMALL = {"rows": 512, "classes": 1000, "dim": 512}

OPENING = """\
# The class layer on several processors

Time of a step of ArcFace: from features (N, D) and W (K, D), D = 512, to the mean loss and both gradients. **To the
products** is its ratio to the three float32 matrix products that any dense class layer needs, by `torch.mm`; **to cross
entropy**, to a linear layer and `F.cross_entropy`, without a margin; **to indexed**, to ArcFace in three lines of
PyTorch that index the logits. **Tiled products alone** are those three products in tiles; **the passes alone** add the
passes over W and the logits that cosines need, written by hand: the floor. Each name links to the page of its
processor, with other layers, memory, errors and the method. To measure your own processor, in a quarter of an hour:

```sh
pip install 'cones[bench]'
python -m benchmarks.class_layer
```
"""

COLUMNS = (
    "processor", "date", "tiled products alone", "the passes alone", "K = 100,000, N = 512: to the products",
    "within 64 MiB", "bfloat16",
    "K = 10,000, N = 256: to cross entropy", "to indexed", "K = 1,000, N = 512: to cross entropy", "to indexed",
)  # fmt: skip


def side_by_side(found: dict[str, dict[str, Any]], folder: str) -> str:
    """Return the Markdown of one table, with one row per processor.

    Args:
        found: results of `class_layer.py`, by the folder of the processor.
        folder: folder of those folders, beside the page.
    """
    rows = [_row(name, results, folder) for name, results in sorted(found.items())]
    return OPENING + "\n" + table(COLUMNS, rows) + "\n"


def _row(name: str, results: dict[str, Any], folder: str) -> list[str]:
    machine = results["machine"]
    numbers = [f"{field} {machine[field]}" for field in ("family", "model") if machine.get(field) is not None]
    about = ", ".join(
        [str(machine["processor"]), *numbers, str(machine["vector width"]), f"{machine['threads']} threads"]
    )
    products = []
    for contender in (FAST_PRODUCTS, BARE_ARCFACE, CONES, CONES_TIGHT, CONES_LOW):
        case = find(results, contender, LARGE)
        value = None if case is None else ratio(case)
        products.append("–" if value is None else f"{value:.2f}")
    rest = [_beside(results, rival, size) for size in (MIDDLE, SMALL) for rival in (LINEAR_CE, INDEXED)]
    return [f"[{about}]({folder}/{name}.md)", machine["date"], *products, *rest]


def _beside(results: dict[str, Any], rival: str, size: dict[str, int]) -> str:
    """Over a rival: in one process where that was measured, else by both ratios to the products."""
    same = [few for few in results.get("few_classes", ()) if all(few[name] == value for name, value in size.items())]
    if same and "seconds" in same[0]:
        return f"{in_turn(same[0], CONES, rival):.2f}"
    return over(results, CONES, rival, size)
