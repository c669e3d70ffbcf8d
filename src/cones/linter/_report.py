"""The findings of a check, and their text."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ..margins import Margin

Verdict = Literal["holds", "fails", "warns", "not applicable"]

WIDTH = 118
MARKS: dict[Verdict, str] = {"holds": "holds", "fails": "FAILS", "warns": "warns", "not applicable": "-"}


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        verdict: "holds", "fails", "warns" or "not applicable".
        sentence: in words, with numbers where it does not hold.
        own_angle: to the own class, in radians, where it does not hold, if there is such a place.
        other_angle: to another class, where it is a matter of another class.
        name: what is judged; the report fills it in.
    """

    verdict: Verdict
    sentence: str
    own_angle: float | None = None
    other_angle: float | None = None
    name: str = ""


@dataclass(frozen=True)
class Cost:
    """Cost of a margin's other classes on a tile; reported, not judged.

    Attributes:
        closed_form: whether `others` is the scaled similarity, which costs nothing of its own.
        time: of forward and backward of `others`, as a multiple of the time of the tile's product; measured.
        arrays: kept for the backward, as a multiple of the tile of logits.
        num_rows, num_classes, dim: of the tile that was measured.
        plain: whether `others` was written but returns the scaled similarity.
    """

    closed_form: bool
    time: float
    arrays: float
    num_rows: int
    num_classes: int
    dim: int
    plain: bool = False

    def __str__(self) -> str:
        if self.closed_form:
            return "the others are the scaled similarity: closed form, without extra time or memory"
        tile = f"a tile of {self.num_rows} rows, {self.num_classes} classes and {self.dim} dims"
        hint = "; others returns the scaled similarity: remove it to use the closed form" if self.plain else ""
        return (
            f"the others run under autograd: on {tile} their forward and backward take {self.time:.2g} times the time "
            f"of its product and keep {self.arrays:.2g} arrays of its size{hint}"
        )


@dataclass(frozen=True)
class MarginReport:
    """Findings of `check_margin`; `print` shows them as a table.

    Attributes:
        margin: what was checked.
        findings: one for each thing that a margin should be.
        cost: of its other classes on a tile, None where it could not be measured.
        num_classes: K, of the check.
    """

    margin: Margin
    findings: tuple[Finding, ...]
    cost: Cost | None
    num_classes: int

    @property
    def ok(self) -> bool:
        """True if nothing fails."""
        return not self._names("fails")

    def __str__(self) -> str:
        column = max(len(finding.name) for finding in self.findings) + 2
        lines = [line for finding in self.findings for line in _row(MARKS[finding.verdict], finding, column)]
        if self.cost is not None:
            lines += _row("cost", Finding("holds", str(self.cost), name="others on a tile"), column)
        return "\n".join([repr(self.margin), self._summary(), "", *lines])

    def figure(self) -> Any:
        """Draw the target logit, the others' logits, the loss and their slopes, marked where something fails.

        Returns:
            a matplotlib figure, to be written by `cones.plots.save`.

        Raises:
            ValueError: the margin returns nothing that could be drawn.
        """
        from ..plots import margin_figure

        shapes = next(finding for finding in self.findings if finding.name == "shapes and dtypes")
        if shapes.verdict == "fails":
            raise ValueError(f"nothing to draw: {shapes.sentence}")
        findings = [finding for finding in self.findings if finding.verdict in ("fails", "warns")]
        own = [(finding.name, finding.own_angle) for finding in findings if finding.other_angle is None]
        other = [(finding.name, finding.other_angle) for finding in findings]
        return margin_figure(
            self.margin,
            num_classes=self.num_classes,
            own_marks=[(name, angle) for name, angle in own if angle is not None],
            other_marks=[(name, angle) for name, angle in other if angle is not None],
        )

    def _names(self, verdict: Verdict) -> list[str]:
        return [finding.name for finding in self.findings if finding.verdict == verdict]

    def _summary(self) -> str:
        failed, warned = self._names("fails"), self._names("warns")
        parts = [f"{len(failed)} of {len(self.findings)} fail: {', '.join(failed)}"] if failed else ["nothing fails"]
        return "; ".join([*parts, *([f"{len(warned)} warn: {', '.join(warned)}"] if warned else [])])


def _row(mark: str, finding: Finding, column: int) -> list[str]:
    indent = f"{mark:<7}{finding.name:<{column}}"
    return textwrap.wrap(
        finding.sentence, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent), break_long_words=False
    )


def degrees(angle: float) -> str:
    """An angle in words."""
    return f"{math.degrees(angle):.1f} deg"


def number(value: float) -> str:
    """A number in words; what is 0 but for rounding is 0."""
    return f"{round(value, 6) + 0.0:.4g}"


def short(dtype: torch.dtype) -> str:
    """A dtype in words."""
    return str(dtype).removeprefix("torch.")
