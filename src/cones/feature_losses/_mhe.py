from dataclasses import dataclass

from torch import Tensor

from ..common.checks import check_not_negative, check_positive
from ..common.dtypes import working_dtype
from ..common.unit_vectors import direction
from ..engine.checks import check_weight
from ._blocks import blocks, recomputed, squared_distances


@dataclass(frozen=True)
class MHE:
    """Minimum hyperspherical energy: class directions repel each other like charges on a sphere.

        E = mean over i != j of f(|w_i - w_j|),   f(d) = d^-s,  or log(1 / d) for s = 0,   w_i of unit length

    A regulariser of the class weights alone. Two directions nearer than `floor` count as being `floor` apart and do
    not repel each other: value finite, gradient 0, for between coincident rows no direction leads away. A zero row
    stays at the origin, at a distance of 1 from every direction, and has gradient 0.

    Distances are taken over blocks of classes, and again in the backward: beyond the gradients this needs some ten
    arrays of 16 MiB (of 32 in float64), whatever K. The work is that of K^2 / 2 distances.

    Args:
        power: s, at least 0; the paper has 0, 1 and 2, the authors' example run 0, for which their code takes
            log(1 / d^2), twice this.
        floor: the smallest distance that counts, above 0.

    Raises:
        ValueError: a field is out of its range.

    When to use: Beside any loss with class weights, when the class directions crowd: it spreads them over the sphere.
    It looks at every pair of classes.

    Reference: Liu et al., "Learning towards Minimum Hyperspherical Energy", NeurIPS 2018, arXiv 1805.09298, eq. 1.

    Example:
        >>> import torch
        >>> MHE(power=2)(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))       # distance 2
        tensor(0.2500)
    """

    power: float = 0.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        check_not_negative("MHE: power", self.power)
        check_positive("MHE: floor", self.floor)

    def __call__(self, weight: Tensor) -> Tensor:
        """The energy of the class weights.

        Args:
            weight: (K, D), rows are classes.

        Returns:
            0-dim, float32 or float64; 0 for one class.

        Raises:
            TypeError, ValueError: dtype or shape is wrong.
        """
        check_weight(weight)
        unit, _ = direction(weight.to(working_dtype(weight)))
        energy = unit.new_zeros(())
        for start, block in blocks(unit, len(unit)):
            energy = energy + recomputed(self._energy, block, unit[start:])
        pairs = len(unit) * (len(unit) - 1) // 2
        return energy / max(pairs, 1)

    def _energy(self, block: Tensor, onwards: Tensor) -> Tensor:
        """The sum over i of a block (C, D) and j > i, where onwards are the directions from the block's first."""
        squared = squared_distances(block, onwards).clamp(min=self.floor**2)
        energy = -0.5 * squared.log() if self.power == 0 else squared.pow(-self.power / 2)
        return energy.triu(diagonal=1).sum()
