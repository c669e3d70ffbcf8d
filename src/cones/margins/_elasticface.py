from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ._arcface import arc
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows

Kind = Literal["arc", "cos"]
KINDS: tuple[Kind, ...] = ("arc", "cos")


@dataclass(frozen=True, eq=False)
class ElasticFace(Margin):
    """ElasticFace: every row draws its own margin at each call.

        m_i ~ Normal(m, sigma^2)
        t = s cos(theta_y + m_i) or s (cos(theta_y) - m_i),   o_j = s cos(theta_j)

    A row's draw, also for losses taken in evaluation, is a function of its place in the batch and of a seed, drawn once
    a step from PyTorch's default generator. It depends neither on the classes, nor on device and precision of the
    features, nor on the number of processes, all of which use the first one's seed. A draw may be below 0. The tail
    past theta_y = pi - m_i is the smooth one of `ArcFace`; the paper and its code have none, so that their cosine rises
    again there.

    The paper's settings of m and sigma are 0.5 and 0.05 for "arc", 0.5 and 0.0175 with `plus`; 0.35 and 0.05 for
    "cos", 0.35 and 0.02 with `plus`. With `plus` the margins drawn for a batch, that of all processes, are dealt out by
    how far its rows are from their classes: the largest cosine gets the smallest margin. The authors' code means to do
    so, but puts the sorted margins in the order of the sorting instead of its inverse, so that rows get each other's.

    Args:
        margin: m, the mean, at least 0; in radians for "arc", in cosine units for "cos".
        scale: s, above 0.
        std: sigma, the standard deviation, at least 0, in the margin's unit.
        kind: "arc" adds to the angle, "cos" subtracts from the cosine.
        plus: whether farther rows get the larger of the batch's margins.

    Raises:
        ValueError: a field is out of its range.

    When to use: Classes of different spread, for which one fixed margin is too rigid: it is drawn for each row.
    Otherwise as `ArcFace` or `CosFace`.

    Reference: Boutros, Damer, Kirchbuchner, Kuijper, "ElasticFace: Elastic Margin Loss for Deep Face Recognition",
    CVPR Workshops 2022, arXiv 2109.09416, section 3.
    """

    draws: ClassVar[bool] = True
    angles: ClassVar[tuple[str, ...]] = ("margin", "std")
    margin: float = 0.5
    scale: float | Tensor = 64.0
    std: float = 0.05
    kind: Kind = "arc"
    plus: bool = False

    def __post_init__(self) -> None:
        check_not_negative("ElasticFace", "margin", self.margin)
        check_positive("ElasticFace", "scale", self.scale)
        check_not_negative("ElasticFace", "std", self.std)
        if self.kind not in KINDS:
            raise ValueError(f"ElasticFace: kind is {self.kind!r}, expected one of {', '.join(KINDS)}")

    @property
    def deals(self) -> bool:
        return self.plus

    def deal(self, noise: Tensor, similarity: Tensor) -> Tensor:
        nearest_first = similarity.argsort(descending=True, stable=True)
        return torch.empty_like(noise).scatter(0, nearest_first, noise.sort().values)

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        if rows.noise is None:
            raise ValueError(
                "ElasticFace: rows.noise is None, expected (N,) standard normal numbers: "
                "rows._replace(noise=torch.randn(len(similarity)))"
            )
        margin = self.margin + self.std * rows.noise.to(similarity.dtype)
        return self.scale * (arc(similarity, margin, "smooth") if self.kind == "arc" else similarity - margin)
