"""`cones check`: properties of a margin, in words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..margins import parse as parse_margin
from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Check:
    """Tell in words what holds of a margin and what does not; exits with 1 if something fails.

    Args:
        margin: such as "ArcFace(margin=0.3)", or one of your own, "package.module:MyMargin(margin=0.3)"
        classes: K; as many as the margin has counts, where it has some
        detached: part of the loss is a constant for the gradient by definition
        out: file to draw it to, without ending; both SVG and PNG are written
        traceback: show where an error came from
    """

    margin: Annotated[str, tyro.conf.Positional]
    classes: int = 10
    detached: bool = False
    out: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Print the findings; 1 if one of them is a failure."""
        from ..linter import check_margin

        try:
            report = check_margin(parse_margin(self.margin), num_classes=self.classes, detached=self.detached)
        except ValueError as error:
            raise UsageError(str(error)) from error
        print(report)
        if self.out is not None:
            from ..plots import save

            for path in save(report.figure(), self.out):
                print(path)
        return 0 if report.ok else 1
