from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ._arcface import arc
from ._check import check_not_negative, check_positive
from ._margin import Margin, Rows


@dataclass(frozen=True, eq=False)
class ArcNegFace(Margin):
    """ArcNegFace: ArcFace whose other classes count the more, the nearer their cosine is to the own one.

        f = cos(theta_y + m),   t = s f
        o_j = s (w_j (cos(theta_j) + 1) - 1),   w_j = alpha exp(-(cos(theta_j) - f)^2 / sigma)

    Past theta_y = pi - m, f is cos(theta_y) - m sin(m), as in the authors' code, and jumps. Defaults are that code's
    too, which holds w_j fixed in the gradient (`detach`). The paper's text could not be read.

    Args:
        margin: m in radians, at least 0.
        scale: s, above 0.
        alpha: weight of a class as near as the own one, above 0.
        sigma: width of the bell, above 0, in squared cosine units.
        detach: whether the weights w_j are constants for the gradient. Off: the true gradient.

    Raises:
        ValueError: a field is out of its range.

    When to use: Labels that are partly wrong: another class counts by how near its cosine is to the own one, so that
    near ones count more and hopeless ones less.

    Reference: Liu, Song, Zhang, Liu, Zhou, Yan, "Towards Flops-constrained Face Recognition", ICCV Workshops 2019,
    arXiv 1909.00632.
    """

    angles: ClassVar[tuple[str, ...]] = ("margin",)
    margin: float = 0.5
    scale: float | Tensor = 64.0
    alpha: float = 1.2
    sigma: float = 2.0
    detach: bool = False

    def __post_init__(self) -> None:
        check_not_negative("ArcNegFace", "margin", self.margin)
        for name in ("scale", "alpha", "sigma"):
            check_positive("ArcNegFace", name, getattr(self, name))

    def target(self, similarity: Tensor, rows: Rows) -> Tensor:
        return self.scale * arc(similarity, self.margin, "monotone")

    def others(self, similarity: Tensor, target: Tensor, rows: Rows) -> Tensor:
        own = arc(rows.similarity, self.margin, "monotone")[:, None]
        weight = self.alpha * (-((similarity - own) ** 2) / self.sigma).exp()
        if self.detach:
            weight = weight.detach()
        return self.scale * (weight * (similarity + 1) - 1)
