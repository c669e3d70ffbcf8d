"""TAR at FAR when subjects are drawn anew, from the pairs that decide it."""

# S subjects, F rates, R resamples, I listed impostor pairs, G genuine pairs

import torch
from torch import Tensor

from ..progress import Progress, silent
from ._listed import PairList


def multiplicities(count: int, generator: torch.Generator) -> Tensor:
    """How often each of `count` came (count,) in as many draws with replacement."""
    return torch.bincount(torch.randint(count, (count,), generator=generator), minlength=count)


def tar_when_drawn(listed: PairList, far: Tensor, resamples: int, seed: int, progress: Progress = silent) -> Tensor:
    """TAR at each rate for each draw of subjects.

        w(a, b) = m_a m_b for an impostor pair,   w(a, a) = m_a for a genuine pair

    The same draws, and so the same figures, as `verification_intervals` with this seed.

    Args:
        listed: the pairs, with their subjects.
        far: (F,) float64 rates.
        resamples: R.
        seed: of the draws.
        progress: is told of each draw.

    Returns:
        (R, F) float64; nan where the rate needs an impostor pair of lower score than those listed, and in a draw that
        has no genuine or no impostor pair.
    """
    genuine, impostors = listed.genuine, listed.impostors
    far = far.to(impostors.score.device)
    _, sizes = torch.unique_consecutive(impostors.score, return_counts=True)
    ends = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])  # pairs of one score are accepted together
    # with the first p scores of impostors accepted, all genuine pairs above the next one can be accepted
    following = impostors.score[ends[:-1]]
    above = torch.searchsorted(-genuine.score, -following)
    last = len(genuine.score) if listed.complete else -1
    above = torch.cat([above, above.new_full((1,), last)])
    generator = torch.Generator().manual_seed(seed)
    found = far.new_full((resamples, len(far)), torch.nan)
    for number, draw in enumerate(found):
        progress("draws of subjects", number, resamples)
        m = multiplicities(len(listed.labels), generator).to(far.device)
        accepted = _running(m[impostors.subjects].prod(dim=1))[ends].double()
        right = _running(m[genuine.subjects[:, 0]]).double()
        everybody = accepted[-1] if listed.complete else _impostors(m * listed.rows)
        if everybody == 0 or right[-1] == 0:
            continue
        place = above[torch.searchsorted(accepted / everybody, far, right=True) - 1]
        draw.copy_(torch.where(place < 0, torch.nan, right[place.clamp(min=0)] / right[-1]))
    return found


def ends_of(draws: Tensor, confidence: float) -> Tensor:
    """The percentile interval (F, 2) of each column of draws (R, F); nan where a draw is nan."""
    tails = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=draws.dtype, device=draws.device)
    return draws.quantile(tails, dim=0).T


def _impostors(rows: Tensor) -> Tensor:
    """All impostor pairs of subjects that have so many rows (S,)."""
    rows = rows.double()
    return (rows.sum().square() - rows.square().sum()) / 2


def _running(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
