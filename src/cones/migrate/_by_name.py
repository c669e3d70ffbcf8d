import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..head import Head
from . import formulas
from ._insightface import from_insightface, in_rank_order
from ._oml import from_oml
from ._pytorch_metric_learning import from_pytorch_metric_learning
from ._read import read_weights
from ._wespeaker import from_wespeaker
from .formulas import Reference

Source = Literal["pytorch-metric-learning", "insightface", "oml", "wespeaker"]
SOURCES = ("pytorch-metric-learning", "insightface", "oml", "wespeaker")
"""Libraries whose class weights can be read, as `cones migrate` names them."""
TAKEN = {
    "pytorch-metric-learning": ("loss", "scale", "temperature", "sub_centers", "num_classes"),
    "insightface": ("scale", "num_classes"),
    "oml": ("scale",),
    "wespeaker": ("loss", "scale", "sub_centers", "easy_margin", "num_classes"),
}
"""What each source takes beside its margin."""
THEIRS = {("oml", "scale"): "s", ("wespeaker", "loss"): "project_type"}
"""What a source itself calls it, where that is something else."""


class Migrated(NamedTuple):
    """Result of `migrate`.

    Args:
        head: the head, with the weights and the margin that were read.
        reference: the other library's own formula on the same weights, with which the head must agree (see `compare`).
    """

    head: Head
    reference: Reference


def migrate(
    source: Source,
    paths: Sequence[Path],
    *,
    margin: Sequence[float] = (),
    loss: str | None = None,
    scale: float | None = None,
    temperature: float | None = None,
    sub_centers: int | None = None,
    easy_margin: bool | None = None,
    num_classes: int | None = None,
) -> Migrated:
    """Read files of a library named by `source`, and make the head and its reference.

    Args:
        source: one of SOURCES.
        paths: one file; for insightface those of all ranks, in any order.
        margin: none for the library's default, one number as the library counts it (degrees for ArcFaceLoss and
            SubCenterArcFaceLoss of pytorch-metric-learning), or insightface's three.
        loss: name of the class, or wespeaker's project_type.
        scale, temperature, sub_centers, easy_margin, num_classes: as the function of the source says; None is its
            default.

    Returns:
        head and reference.

    Raises:
        ValueError: a setting is wrong, or the source has none of that name.
        FileNotFoundError, WeightsError: a file cannot be used.

    Warns:
        of the number of ranks, where num_classes does not say whether all are there.

    Source: the files and formulas of the library named, see the function of that name.
    """
    if source not in SOURCES:
        raise ValueError(f"source is {source!r}, expected one of {', '.join(SOURCES)}")
    given = {
        "loss": loss,
        "scale": scale,
        "temperature": temperature,
        "sub_centers": sub_centers,
        "easy_margin": easy_margin,
        "num_classes": num_classes,
    }
    settings: dict[str, Any] = _margins(source, margin)
    for name, value in given.items():
        if value is not None and name not in TAKEN[source]:
            raise ValueError(
                f"{name} is {value}, but {source} takes no such setting; it takes {', '.join(TAKEN[source])}"
            )
        if value is not None:
            settings[THEIRS.get((source, name), name)] = value
    if source == "insightface":
        shards = [read_weights(path) for path in in_rank_order(paths)]
        if num_classes is None:
            ranks = "1 rank is" if len(shards) == 1 else f"{len(shards)} ranks are"
            warnings.warn(
                f"{ranks} read; whether a last one is missing cannot be seen from the files: pass num_classes to check",
                stacklevel=2,
            )
        return Migrated(from_insightface(shards, **settings), formulas.insightface(shards, **settings))
    if len(paths) != 1:
        raise ValueError(f"{source} has one file, but {len(paths)} are given")
    state = read_weights(paths[0])
    match source:
        case "pytorch-metric-learning":
            head = from_pytorch_metric_learning(state, **settings)
            return Migrated(head, formulas.pytorch_metric_learning(state, **settings))
        case "oml":
            return Migrated(from_oml(state, **settings), formulas.oml(state, **settings))
        case "wespeaker":
            return Migrated(from_wespeaker(state, **settings), formulas.wespeaker(state, **settings))


def _margins(source: Source, margin: Sequence[float]) -> dict[str, float]:
    if source == "insightface":
        if len(margin) not in (0, 3):
            raise ValueError(f"margin is {_listed(margin)}, expected the three numbers of margin_list: m1 m2 m3")
        return dict(zip(("m1", "m2", "m3"), margin, strict=False))
    if len(margin) > 1:
        raise ValueError(f"margin is {_listed(margin)}, expected one number")
    return {("m" if source == "oml" else "margin"): number for number in margin}


def _listed(margin: Sequence[float]) -> str:
    return " ".join(f"{number:g}" for number in margin)
