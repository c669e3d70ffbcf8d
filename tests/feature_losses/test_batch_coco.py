"""COCO with the centroids of the batch against its equation."""

import math

import numpy as np
import pytest
import torch

from cones import BatchCOCO
from tests.losses import problem
from tests.narrowing import grad_of


def expected(scale, x, y, num_classes):
    """The losses (N,), from the equation: with a column for every class."""
    losses = []
    centroids = [x[y == k].mean(axis=0) if (y == k).any() else np.zeros(x.shape[1]) for k in range(num_classes)]
    for feature, own in zip(x, y, strict=True):
        logits = []
        for centroid in centroids:
            lengths = np.linalg.norm(feature) * np.linalg.norm(centroid)
            logits.append(scale * (feature @ centroid / lengths if lengths else 0.0))
        losses.append(-math.log(math.exp(logits[own]) / sum(math.exp(logit) for logit in logits)))
    return np.array(losses)


@pytest.mark.parametrize("scale", [1.0, 6.25])
@pytest.mark.parametrize("num_classes", [3, 23])
def test_value(scale, num_classes):
    x, _, _, _ = problem(n=9)
    x[4] = 0
    y = torch.tensor([0, 2, 2, 0, 1, 2, 0, 2, 0])  # class 1 has its centroid in the origin
    np.testing.assert_allclose(
        BatchCOCO(scale)(x, y, num_classes, "none"), expected(scale, x.numpy(), y.numpy(), num_classes), rtol=1e-13
    )


def test_gradcheck_goes_through_the_centroids():
    x, _, _, _ = problem(n=6)
    y = torch.tensor([0, 2, 2, 0, 4, 2])
    assert torch.autograd.gradcheck(lambda x: BatchCOCO()(x, y, 5, "none"), x.requires_grad_())


def test_each_alone_of_its_class():
    """One row a class on orthogonal axes: cosine 1 to the own, 0 to all others, absent ones too."""
    loss = BatchCOCO(scale=2.0)(torch.eye(3).double(), torch.tensor([7, 1, 3]), 10, "none")
    torch.testing.assert_close(loss, torch.full((3,), math.log1p(9 * math.exp(-2.0)), dtype=torch.float64))


def test_long_features_have_more_of_the_centroid():
    x = torch.tensor([[10.0, 0.0], [0.0, 1.0]]).double()
    own = torch.tensor([10.0, 1.0]).double() / 101**0.5  # cosine of each to the mean (5, 1/2)
    torch.testing.assert_close(
        BatchCOCO(scale=3.0)(x, torch.tensor([0, 0]), 2, "none"), (1 + torch.exp(-3 * own)).log()
    )


def test_opposite_features_have_their_centroid_in_the_origin():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).requires_grad_()
    loss = BatchCOCO()(x, torch.tensor([0, 0]), 4)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(4))
    assert (grad_of(x) == 0).all()
