"""Where cones differs from other libraries and why, in numbers; and that it agrees to rounding where it agrees.

python -m benchmarks.differences [--out docs/differences.md]

Needs pytorch-metric-learning (the bench extra). open-metric-learning takes part if it is there: `pip install --no-deps
open-metric-learning` brings its file of losses without the NumPy below 2 that the whole package asks for. insightface's
arcface_torch, opensphere, quaterion and wespeaker are not run: their formulas stand in.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

import benchmarks.differences.margins_probed as margins
import benchmarks.differences.training_probed as training
from benchmarks.differences.agreement import CLASSES, DIM, ROWS, Difference, Pair, difference, pairs
from benchmarks.differences.peers import OML, PML, has_oml, version
from benchmarks.differences.subject import Subject
from cones.common.atomic_files import write_text

PROBES: tuple[Callable[[], Subject], ...] = (
    margins.on_the_class_direction,
    margins.parallel_to_the_class,
    training.master_weights,
    margins.slope_of_an_angular_margin,
    margins.three_margins,
    margins.past_pi,
    training.labels_out_of_range,
    margins.large_losses,
    training.rows_not_sampled,
    training.the_callers_labels,
    margins.cosface_of_the_cosine,
    training.empty_batches_and_errors,
    training.evaluation_without_faiss,
    training.negative_labels,
    margins.units,
    training.overwritten_weights,
)
OPENING = """\
What cones does otherwise than pytorch-metric-learning, insightface (arcface_torch), open-metric-learning, opensphere
and others, and why. Every number is made by

```sh
pip install 'cones[bench]'
pip install --no-deps open-metric-learning
python -m benchmarks.differences
```

{versions}, on a CPU.

A library with a version was run. "{formula}" is one that was not: what it computes was written out in
PyTorch after its source, and run in its place. D1 to D14 are the names of the tests in
`tests/engine/test_peer_defects.py`. To move weights from one of these libraries into cones, see
`cones migrate --help`."""
AGREEMENT = """\
{rows} features at every angle from 0.01 to pi - 0.01 to their class, {classes} classes, {dim} dimensions; the largest
absolute difference of a row's loss, and of an entry of the gradient of the summed losses by the features and by W."""
OPENSPHERE = """\
opensphere overwrites W by its unit rows in the forward and does not differentiate through their norms, so its gradient
of W is another by design, and left out; 2e-10 in its ArcFace is its clamp of the angle to 3.14159."""


def page() -> str:
    """The whole page, as Markdown."""
    oml = f"{OML} {version(OML)}" if has_oml() else f"{OML} not installed, so left out"
    versions = f"torch {torch.__version__.split('+')[0]}, {PML} {version(PML)}, {oml}"
    parts = ["# Where cones differs, and why", OPENING.format(versions=versions, formula="formula, not run")]
    parts += ["## Where both have a loss they agree", AGREEMENT.format(rows=ROWS, classes=CLASSES, dim=DIM)]
    both = pairs()
    for dtype in (torch.float64, torch.float32):
        name = str(dtype).removeprefix("torch.")
        parts += [f"In {name}:", agreement(both, [difference(pair, dtype) for pair in both])]
    parts.append(OPENSPHERE)
    for probe in PROBES:
        parts.append(section(probe()))
    return "\n\n".join(parts) + "\n"


def agreement(both: Sequence[Pair], found: Sequence[Difference]) -> str:
    """The table of differences in one precision."""
    columns = ("library", "its loss", "ours", "loss", "of up to", "by features", "by W", "of up to")
    rows = []
    for pair, apart in zip(both, found, strict=True):
        by_weight = "–" if pair.unlike == "W" else f"{apart.by_weight:.0e}"
        rows.append(
            (
                pair.peer,
                f"`{pair.theirs}`",
                f"`{_short(repr(pair.margin))}`",
                f"{apart.loss:.0e}",
                f"{apart.largest_loss:.0f}",
                f"{apart.by_features:.0e}",
                by_weight,
                f"{apart.largest_gradient:.0f}",
            )
        )
    return _table(columns, rows)


def section(subject: Subject) -> str:
    """A heading, a table, and why."""
    columns = ("library", "case", "it gives", "cones gives")
    rows = [(line.who, line.case, line.theirs, line.ours) for line in subject.lines]
    return f"## {subject.title}\n\n{_table(columns, rows)}\n\n{subject.why}"


def _short(margin: str) -> str:
    """A margin's text without fields that are as ever, and 28.6 degrees to four digits."""
    for long, short in ((", straight_through=False", ""), (", blend=0.0", ""), (repr(math.radians(28.6)), "0.4992")):
        margin = margin.replace(long, short)
    return margin


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    docs = Path(__file__).parents[2] / "docs"
    parser.add_argument("--out", type=Path, default=docs / "differences.md")
    given = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order, so that the page is the same every time
    write_text(given.out, page())
    print(given.out)


if __name__ == "__main__":
    main()
