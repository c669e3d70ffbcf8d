"""Samples of a run's test side, and a threshold chosen on them."""

import torch
from torch import Tensor

from ..data import Dataset
from ..embedding import Model, embed
from ..evaluation import Decision, decision_of_all_pairs


def decide(model: Model, test: Dataset, far: float) -> Decision:
    """Choose the threshold on the cosine at a false accept rate, on all pairs of a run's test side.

    It is the threshold that `cones.open_set.evaluate_run` reports at this rate.

    Args:
        model: from `cones.embedding.load_backbone`.
        test: the side to choose it on.
        far: the false accept rate, in [0, 1).

    Returns:
        `Decision`, with the checksum of the model's weights.

    Raises:
        ValueError: far is out of its range, or test has no two samples of one class or of two.
    """
    return decision_of_all_pairs(embed(model, test.inputs), test.labels, far, model=model.weights)


def spread_rows(labels: Tensor, at_most: int) -> Tensor:
    """Return at most `at_most` rows: two per class, then two more, and so on, so that same pairs are among them.

    Args:
        labels: (N,) int64.
        at_most: rows.

    Returns:
        (n,) rows in rising order, n = min(N, at_most); classes come in an order drawn from a fixed seed.

    Example:
        >>> spread_rows(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), 4)
        tensor([0, 1, 4, 5])
    """
    counts = torch.bincount(labels)
    by_class = labels.argsort(stable=True)
    rank = torch.empty_like(labels)
    rank[by_class] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    turn = torch.randperm(len(counts), generator=torch.Generator().manual_seed(0))
    return (rank // 2 * len(counts) + turn[labels]).argsort(stable=True)[:at_most].sort().values


def all_pairs(num_rows: int) -> Tensor:
    """(P, 2): every pair of rows once, P = N (N - 1) / 2."""
    return torch.triu_indices(num_rows, num_rows, 1).T.contiguous()
