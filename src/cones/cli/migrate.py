"""`cones migrate`: class weights of another library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Migrate:
    """Move class weights from another library into a head, and hold it against that library's formula.

    Nothing in the files is executed. The head is written only if it computes the same to rounding.

    Args:
        source: the library
        files: one file of weights; for insightface those of all ranks, in any order
        loss: pytorch-metric-learning: name of the class, by default ArcFaceLoss; wespeaker: project_type, by default
            arc_margin
        margin: as the library counts it, by default its own: degrees for ArcFaceLoss and SubCenterArcFaceLoss of
            pytorch-metric-learning, radians for other angles; for insightface the three of margin_list
        scale: s, by default the library's own
        temperature: of NormalizedSoftmaxLoss
        sub_centers: centers a class, of SubCenterArcFaceLoss and arc_margin_intertopk_subcenter
        easy_margin: of wespeaker
        num_classes: wespeaker: keep the first so many; insightface, pytorch-metric-learning: as many must be there
        out: safetensors file to write; cones.migrate.read_head reads it
        traceback: show where an error came from
    """

    source: Annotated[Literal["pytorch-metric-learning", "insightface", "oml", "wespeaker"], tyro.conf.Positional]
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    loss: str | None = None
    margin: tuple[float, ...] = ()
    scale: float | None = None
    temperature: float | None = None
    sub_centers: int | None = None
    easy_margin: bool | None = None
    num_classes: int | None = None
    out: Path = Path("head.safetensors")
    traceback: bool = False

    def execute(self) -> int:
        """Write the head, unless it computes something else than the library."""
        from ..migrate import compare as compare_with
        from ..migrate import migrate, write_head

        try:
            head, reference = migrate(
                self.source,
                self.files,
                margin=self.margin,
                loss=self.loss,
                scale=self.scale,
                temperature=self.temperature,
                sub_centers=self.sub_centers,
                easy_margin=self.easy_margin,
                num_classes=self.num_classes,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
        agreement = compare_with(head, reference)
        print(f"{head}\n{agreement}")
        if not agreement.same():
            raise RuntimeError(
                f"the head differs from {reference.name} by more than rounding: {self.out} is not written"
            )
        write_head(self.out, head)
        print(self.out)
        return 0
