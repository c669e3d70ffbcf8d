"""Every loss against its formula, and what the tests found of it: one table.

python -m benchmarks.losses.exactness [--out docs/exactness.md]

The formulas are those of tests/references, in float64 NumPy, which use nothing of the package. A gradient is held
against differences of sixth order of the formula. Then the tests of the contract are run, and counted by loss.
"""

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import machine

ROOT = Path(__file__).parents[2]

from cones.common.atomic_files import write_text  # noqa: E402
from tests.engine.contract import engine, formula  # noqa: E402
from tests.losses import EVERY_MARGIN, problem  # noqa: E402
from tests.references.features import FEATURE_CASES  # noqa: E402

TESTS = ("tests/engine/test_contract*.py", "tests/feature_losses", "tests/margins", "tests/engine/test_peer_defects.py")
EDGES = ("edge", "pole", "extreme", "unit_by_rounding", "one_class", "zero", "origin")
STEP = 2e-4
SIXTH_ORDER = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))

PAGE = """\
# Every loss against its formula

Made by

```sh
python -m benchmarks.losses.exactness
```

torch {torch}, {tests:,} tests, {failed} failures.

**Value** and **gradient** are the largest differences, over all settings that the tests know of a loss, from its
formula in float64 NumPy (`tests/references`), relative to the largest number compared where that is above 1. The
formula's gradient is taken by differences of sixth order, good to about 1e-10; what a loss holds fixed by its own
definition is held fixed there too. **Edges** are tests at cosine +1 and -1, at zero vectors, at huge and tiny ones and
with one class or no row; **tests** are all that name the loss. All of it is what `make test` runs.

{table}
"""


class Error(NamedTuple):
    """Largest differences from the formula."""

    value: float
    gradient: float


def main() -> None:
    """Compare, run the tests, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "exactness.md")
    given = parser.parse_args()
    found = errors()
    ran, edges, failed = counted(found)
    rows = [
        f"| `{name}` | {error.value:.0e} | {error.gradient:.0e} | {edges[name]} | {ran[name]} | {failed[name]} |"
        for name, error in found.items()
    ]
    head = "| loss | value | gradient | edges passed | tests run | failures |\n| --- | --- | --- | ---: | ---: | ---: |"
    table = "\n".join([head, *rows])
    whole = {"torch": machine()["torch"], "tests": sum(ran.values()), "failed": sum(failed.values())}
    write_text(given.out, PAGE.format(**whole, table=table))
    print(table)
    print(given.out)
    sys.exit(1 if whole["failed"] else 0)


def errors() -> dict[str, Error]:
    """The errors of every loss by name, the largest over its settings."""
    found: dict[str, Error] = {}
    for margin in EVERY_MARGIN:
        name = type(margin).__name__
        one = error_of(
            lambda x, w, y, margin=margin: engine(x, w, y, margin).mean(),
            lambda x, w, y, x0, w0, margin=margin: formula(x, w, y, margin, held_at=(x0, w0)).mean(),
        )
        found[name] = Error(*(max(pair) for pair in zip(one, found.get(name, one), strict=True)))
    for name, case in FEATURE_CASES.items():
        found[name] = error_of(case.call, case.formula)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def error_of(call: Callable[..., Tensor], formula: Callable[..., Any], seed: int = 3) -> Error:
    """Differences of a loss from its formula, in its value and in its gradient by features and by weight."""
    x, w, y, _ = problem(n=7, k=23, d=4, seed=seed)
    y = torch.where(torch.arange(7) % 3 == 0, y[0], y)  # some class more than once
    leaves = [x.clone().requires_grad_(), w.clone().requires_grad_()]
    value = call(*leaves, y)
    ours = torch.autograd.grad(value, leaves, materialize_grads=True, allow_unused=True)
    at = (x.numpy(), w.numpy())
    expected = formula(*at, y.numpy(), *at)
    worst = 0.0
    for place, gradient in enumerate(ours):
        slopes = np.zeros(gradient.shape)
        for index in np.ndindex(*gradient.shape):
            for far, weight in SIXTH_ORDER:
                for sign in (1, -1):
                    moved = [array.copy() for array in at]
                    moved[place][index] += sign * far * STEP
                    slopes[index] += sign * weight * formula(*moved, y.numpy(), *at) / STEP
        worst = max(worst, np.abs(gradient.numpy() - slopes).max() / max(1.0, np.abs(slopes).max()))
    return Error(abs(value.item() - expected) / max(1.0, abs(expected)), float(worst))


def counted(names: dict[str, Error]) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """How many tests name each loss, how many of those at an edge passed, and how many failed."""
    ran, edges, failed = (dict.fromkeys(names, 0) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        paths = [str(path.relative_to(ROOT)) for pattern in TESTS for path in sorted(ROOT.glob(pattern))]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *paths]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        for case in cases:
            title = f"{case.get('classname')} {case.get('name')}"
            name = max((name for name in names if _names(title, name)), key=len, default=None)
            if name is None or case.find("skipped") is not None:
                continue
            ran[name] += 1
            bad = case.find("failure") is not None or case.find("error") is not None
            failed[name] += bad
            edges[name] += not bad and any(word in title for word in EDGES)
    return ran, edges, failed


def _names(title: str, name: str) -> bool:
    """Whether a test's title names a loss: with its fields, in brackets, or as the test's own file."""
    return f"{name}(" in title or f"[{name}" in title or f"-{name}]" in title or f"test_{name.lower()} " in title


if __name__ == "__main__":
    main()
