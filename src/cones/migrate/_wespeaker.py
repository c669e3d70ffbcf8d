from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from ..head import Head
from ..margins import ArcFace, CosFace, Margin
from ._read import WeightsError
from ._weights import find, head_of

Projection = Literal["arc_margin", "add_margin", "arc_margin_intertopk_subcenter"]
PROJECTIONS = ("arc_margin", "add_margin", "arc_margin_intertopk_subcenter")


def from_wespeaker(
    state: Mapping[str, Tensor],
    project_type: Projection = "arc_margin",
    *,
    margin: float = 0.2,
    scale: float = 32.0,
    easy_margin: bool = False,
    sub_centers: int | None = None,
    num_classes: int | None = None,
) -> Head:
    """Convert a projection of wespeaker, from a whole model file, to an equal head.

        add_margin                      CosFace(margin, scale)
        arc_margin                      ArcFace(margin, scale, tail="smooth"), "easy" with easy_margin
        arc_margin_intertopk_subcenter  the same over S centers per class

    Past theta = pi - m wespeaker goes on as cos(theta) - 1 + cos(m), for which there is no tail here: "smooth" is the
    nearest, equal at theta = pi - m and at pi, and in between higher by at most 2 c (1 - c) s with c = cos(m / 2), a
    hundredth of s at m = 0.2. The penalty on the k_top hardest classes is not carried over; with do_lm, large-margin
    fine-tuning, there is none.

    Args:
        state: the model's; the name is "projection.weight" or ends in it. (K, D), or (K * S, D) with the centers of a
            class one after the other.
        project_type: as in its configuration.
        margin: in radians, or for add_margin subtracted from the cosine: final_margin of its margin schedule.
        scale: its own name for s.
        easy_margin: as in its configuration.
        sub_centers: its K, of arc_margin_intertopk_subcenter alone; None is its default, 3.
        num_classes: keep that many of the first. Speed perturbation gives three times the speakers, the true ones
            first.

    Returns:
        a `Head`, in the weight's dtype, at least float32.

    Raises:
        ValueError: a setting is wrong.
        WeightsError: the state holds no such weight, or fewer classes than num_classes.

    Source: wespeaker, `models/projections.py` and `utils/checkpoint.py`.

    Example:
        >>> import torch
        >>> head = from_wespeaker({"projection.weight": torch.randn(30, 4)}, "add_margin", num_classes=10)
        >>> head.margin, head.num_classes
        (CosFace(margin=0.2, scale=32.0), 10)
    """
    if project_type not in PROJECTIONS:
        raise ValueError(f"project_type is {project_type!r}, expected one of {', '.join(PROJECTIONS)}")
    if project_type != "arc_margin_intertopk_subcenter" and sub_centers is not None:
        raise ValueError(f"sub_centers is {sub_centers}, but {project_type} has one center per class: leave it out")
    if project_type == "add_margin" and easy_margin:
        raise ValueError("easy_margin is True, but add_margin has none: leave it out")
    made: Margin = ArcFace(margin, float(scale), tail="easy" if easy_margin else "smooth")
    if project_type == "add_margin":
        made = CosFace(margin, float(scale))
    centers = (3 if sub_centers is None else sub_centers) if project_type == "arc_margin_intertopk_subcenter" else 1
    weight = find(state, r"(.*\.)?projection\.weight", "projection.weight")
    if num_classes is not None:
        if num_classes * centers > len(weight):
            raise WeightsError(f"num_classes is {num_classes}, but there are {len(weight) // centers} classes")
        weight = weight[: num_classes * centers]
    return head_of(weight, made, centers)
