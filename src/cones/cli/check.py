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
    """Check a margin and report the results in words; exits with 1 if a check fails.

    Args:
        margin: margin to check, such as "ArcFace(margin=0.3)", or your own, "package.module:MyMargin(margin=0.3)"
        classes: number of classes; a margin with class counts uses their number instead
        detached: by definition, part of the loss is treated as a constant in the gradient
        out: draw the margin to this file, given without suffix, as SVG and PNG
        traceback: show the full traceback of an error
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
