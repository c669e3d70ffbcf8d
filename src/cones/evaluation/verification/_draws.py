"""TAR at FAR under resampling of subjects, from the pairs that decide it."""

# S subjects, F rates, R resamples

import torch
from torch import Tensor

from .._bootstrap import Bootstrap
from ..progress import Progress, silent
from ._pairs import PairList


def multiplicities(count: int, generator: torch.Generator) -> Tensor:
    """Number of times (count,) that each of `count` items comes in `count` draws with replacement."""
    return torch.bincount(torch.randint(count, (count,), generator=generator), minlength=count)


def resampled_tar(pairs: PairList, far: Tensor, bootstrap: Bootstrap, progress: Progress = silent) -> Tensor:
    """TAR at each rate in each resample of the subjects.

        w(a, b) = m_a m_b for an impostor pair,   w(a, a) = m_a for a genuine pair

    The same resamples, and so the same figures, as `verification_intervals` with this seed.

    Args:
        pairs: the pairs, with their subjects.
        far: (F,) float64 rates.
        bootstrap: R resamples and their seed.
        progress: reports each resample.

    Returns:
        (R, F) float64; nan where the rate needs an impostor pair of lower score than those in the list, and in a
        resample without genuine or without impostor pairs.
    """
    genuine, impostors = pairs.genuine, pairs.impostors
    far = far.to(impostors.score.device)
    _, sizes = torch.unique_consecutive(impostors.score, return_counts=True)
    ends = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])  # pairs of one score are accepted together
    # with the first p scores of impostors accepted, all genuine pairs above the next one can be accepted
    following = impostors.score[ends[:-1]]
    above = torch.searchsorted(-genuine.score, -following)
    last = len(genuine.score) if pairs.complete else -1
    above = torch.cat([above, above.new_full((1,), last)])
    generator = bootstrap.generator
    tar = far.new_full((bootstrap.resamples, len(far)), torch.nan)
    for number, row in enumerate(tar):
        progress("draws of subjects", number, bootstrap.resamples)
        m = multiplicities(len(pairs.labels), generator).to(far.device)
        accepted = _running(m[impostors.subjects].prod(dim=1))[ends].double()
        right = _running(m[genuine.subjects[:, 0]]).double()
        all_impostors = accepted[-1] if pairs.complete else _impostors(m * pairs.rows)
        if all_impostors == 0 or right[-1] == 0:
            continue
        place = above[torch.searchsorted(accepted / all_impostors, far, right=True) - 1]
        row.copy_(torch.where(place < 0, torch.nan, right[place.clamp(min=0)] / right[-1]))
    return tar


def _impostors(rows: Tensor) -> Tensor:
    """The number of impostor pairs of subjects with `rows` (S,) rows each."""
    rows = rows.double()
    return (rows.sum().square() - rows.square().sum()) / 2


def _running(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
