"""The page that sets the class layer's figures on several processors side by side."""

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

A step of ArcFace, features (N, D) and W (K, D) to a mean loss and both gradients, D = 512. **To the products** is its
time over that of the three float32 products that any dense class layer needs, by `torch.mm`; **to cross entropy** over
that of a linear layer and `F.cross_entropy`, without a margin; **to indexed** over ArcFace as three lines of PyTorch
write it, by indexing the logits. **Tiled products** are the three, and **the passes** the products with the passes over
W and the logits that cosines need, by hand: the floor. Each name leads to the page of its processor: who else was
measured, memory, errors, how. On your own processor, in a quarter of an hour:

```sh
pip install 'cones[bench]'
python -m benchmarks.class_layer
```
"""

COLUMNS = (
    "processor", "day", "tiled products alone", "the passes alone", "K = 100,000, N = 512: to the products",
    "within 64 MiB", "bfloat16",
    "K = 10,000, N = 256: to cross entropy", "to indexed", "K = 1,000, N = 512: to cross entropy", "to indexed",
)  # fmt: skip


def side_by_side(found: dict[str, dict[str, Any]], folder: str) -> str:
    """Markdown of one table, a processor a row.

    Args:
        found: what `class_layer.py` wrote, by the folder of the processor.
        folder: in which those are, beside the page.
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
