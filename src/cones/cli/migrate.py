"""`cones migrate`: class weights of another library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .terminal import print
from .usage import UsageError


@dataclass(frozen=True)
class Migrate:
    """Convert class weights from another library to a head, and check it against that library's formula.

    Nothing in the files is executed. The head is written only if it computes the same up to rounding.

    Args:
        source: library that trained the weights
        files: one file of weights; for insightface, those of all ranks, in any order
        loss: pytorch-metric-learning: name of the class, by default ArcFaceLoss; wespeaker: project_type, by default
            arc_margin
        margin: margin in the library's own unit, by default the library's default: degrees for ArcFaceLoss and
            SubCenterArcFaceLoss of pytorch-metric-learning, radians for other angles; for insightface the three of
            margin_list
        scale: scale s, by default the library's default
        temperature: temperature of NormalizedSoftmaxLoss
        sub_centers: centers per class, of SubCenterArcFaceLoss and arc_margin_intertopk_subcenter
        easy_margin: wespeaker's easy_margin
        num_classes: wespeaker: keep only the first num_classes; insightface, pytorch-metric-learning: expected number
            of classes
        out: file to write, ending in .safetensors, for cones.migrate.read_head
        traceback: show the full traceback of an error
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
        from ..migrate import WeightsError, check_head_place, migrate, write_head
        from ..migrate import compare as compare_with

        if self.out.suffix != ".safetensors":
            raise UsageError(f"--out is {self.out}, expected a file that ends in .safetensors")
        check_head_place(self.out)
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
        except (ValueError, WeightsError) as error:
            raise UsageError(str(error)) from error
        agreement = compare_with(head, reference)
        print(f"{head}\n{agreement}")
        if not agreement.same():
            raise RuntimeError(
                f"the head differs from {reference.name} by more than rounding: {self.out} was not written"
            )
        write_head(self.out, head)
        print(self.out)
        return 0
