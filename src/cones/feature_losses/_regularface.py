from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..engine.checks import check_weight
from ._blocks import blocks, inner_products


@dataclass(frozen=True)
class RegularFace:
    """RegularFace's exclusive regularisation: each class direction is pushed from the one nearest to it.

        L = 1/K sum_i max_{j != i} cos(w_i, w_j)

    A regulariser of the class weights alone. Of directions that are equally near, the first counts. The formula on
    the authors' page divides by squared norms; their code takes the cosine. A zero row has cosine 0 to all others
    and gradient 0.

    Cosines are taken over blocks of classes, only to find the nearest: two arrays of 16 MiB (of 32 in float64),
    whatever K.

    When to use: Beside any loss with class weights, when classes have a neighbour that is too close: each direction is
    pushed from its nearest.

    Reference: Zhao, Xu, Cheng, "RegularFace: Deep Face Recognition via Exclusive Regularization", CVPR 2019.

    Example:
        >>> w = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, -1.0]])     # nearest: 0.6, 0.6 and 0
        >>> RegularFace()(w)
        tensor(0.4000)
    """

    def __call__(self, weight: Tensor) -> Tensor:
        """The mean cosine of the class weights to their nearest.

        Args:
            weight: (K, D), rows are classes.

        Returns:
            0-dim, float32 or float64; 0 for one class.

        Raises:
            TypeError, ValueError: dtype or shape is wrong.
        """
        check_weight(weight)
        unit, _ = direction(weight.to(working_dtype(weight)))
        if len(unit) == 1:
            return 0 * unit.sum()
        return (unit * unit[_nearest(unit)]).sum(dim=1).mean()


@torch.no_grad()
def _nearest(unit: Tensor) -> Tensor:
    """The number (K,) of the other direction with the largest cosine, of unit (K, D)."""
    largest = []
    for start, block in blocks(unit, len(unit)):
        cosine = inner_products(block, unit)
        cosine.diagonal(start).fill_(-torch.inf)
        largest.append(cosine.argmax(dim=1))
    return torch.cat(largest)
