"""Gallery and probes of an identification."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...common.checks import check_seed
from .._arrays import UNKNOWN, Array, as_labels


@dataclass(frozen=True)
class Split:
    """The rows that `gallery_probe_split` returns; a row is in one of them at most.

    Attributes:
        gallery: (M,) indices, ascending.
        probes: (P,) indices, ascending.
    """

    gallery: Tensor
    probes: Tensor


def gallery_probe_split(labels: Array, *, samples: int = 1, unmated: float = 0.5, seed: int = 0) -> Split:
    """Draw a gallery with `samples` samples per subject, and probes with and without a mate there.

    A share `unmated` of the subjects, rounded, stays out of the gallery: all their samples are probes. Of each other
    subject `samples` random samples go to the gallery and the rest are probes. Subjects with no more than `samples`
    enter the gallery with all their samples: they are never probes but can be false matches.

    Args:
        labels: (N,) integers or text, one per sample; -1, an unknown subject, is a probe without a mate.
        samples: a subject's samples in the gallery, 1 or more.
        unmated: share of the subjects without a mate, in 0..1.
        seed: of the draw.

    Returns:
        `Split`: indices of rows.

    Raises:
        ValueError: labels that are not (N,) integers, settings out of their range.

    Example:
        >>> split = gallery_probe_split(torch.tensor([0, 0, 0, 1, 1, 1]), samples=2, unmated=0.5)
        >>> len(split.gallery), len(split.probes)
        (2, 4)
    """
    labels, _ = as_labels("labels", labels)
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(f"labels has shape {tuple(labels.shape)}, {labels.dtype}, expected (N,) integers")
    if samples < 1:
        raise ValueError(f"samples is {samples}, expected 1 or more in the gallery for each subject")
    if not 0 <= unmated <= 1:
        raise ValueError(f"unmated is {unmated}, expected a share in 0..1")
    check_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    names, place = labels.cpu().unique(return_inverse=True)
    stranger = names == UNKNOWN
    known = (~stranger).nonzero()[:, 0]
    stranger[known[torch.randperm(len(known), generator=generator)[: round(unmated * len(known))]]] = True
    # a random order of the rows, then stably by subject: each subject's rows in random order, one after another
    shuffled = torch.randperm(len(labels), generator=generator)
    order = shuffled[place[shuffled].argsort(stable=True)]
    counts = torch.bincount(place, minlength=len(names))
    within = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[place[order]]
    enrolled = (within < samples) & ~stranger[place[order]]
    gallery, probes = order[enrolled].sort().values, order[~enrolled].sort().values
    return Split(gallery.to(labels.device), probes.to(labels.device))
