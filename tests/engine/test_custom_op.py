"""torch.utils.flop_counter counts three products of features and weight in a step, on every path."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cones import ArcFace, CurricularFace, Softmax, SphereFace2, dense_margin_softmax, margin_softmax
from tests.losses import problem


def products(losses_of, margin, dtype=torch.float32, of=(True, True), **settings):
    """Count the products of features and weight in a forward and a backward."""
    x, w, y, _ = problem(64, 300, 32, dtype=dtype)
    x.requires_grad_(of[0])
    w.requires_grad_(of[1])
    with FlopCounterMode(display=False) as counter:
        losses_of(x, w, y, margin, **settings).sum().backward()
    counts = counter.get_flop_counts()["Global"]
    matrices = {
        operation: count for operation, count in counts.items() if operation != torch.ops.aten.bmm
    }  # row by row
    return sum(matrices.values()) / (2 * 64 * 300 * 32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("margin", [Softmax(), ArcFace(), CurricularFace(), SphereFace2()], ids=repr)
def test_a_step_is_three_products_as_that_of_the_specification(margin, dtype):
    assert products(dense_margin_softmax, margin, dtype) == 3
    assert products(margin_softmax, margin, dtype) == 3


@pytest.mark.parametrize(("of", "expected"), [((True, False), 2), ((False, True), 2)], ids=["features", "weight"])
def test_a_gradient_that_is_not_wanted_is_no_product(of, expected):
    assert products(margin_softmax, ArcFace(), of=of) == expected


def test_logits_that_are_not_kept_are_a_fourth():
    # the memory of the gradient of W, (K, 32), keeps half of the exponentials, (64, K)
    assert products(margin_softmax, ArcFace(), memory_budget=1) == 3.5
