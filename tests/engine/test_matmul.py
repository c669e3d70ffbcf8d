"""Products by the fastest kernel: the same numbers for every layout and size."""

import pytest
import torch

from cones.engine.matmul import LONGEST, SHORTEST, product, product_of_many


def layouts(rows, columns):
    """The same numbers (rows, columns): as they come, turned, a part of a larger matrix, and that turned."""
    whole = torch.randn(rows + 3, columns + 5)
    part = whole[3:, 5:]
    turned = whole.T.contiguous().T[3:, 5:]
    return [part.clone(), part.T.contiguous().T, part, turned]


@pytest.mark.parametrize("terms", [1, SHORTEST, SHORTEST + 1, 150, 4 * LONGEST + 7])
@pytest.mark.parametrize("multiply", [product, product_of_many])
def test_any_layout_gives_the_same(multiply, terms):
    torch.manual_seed(0)
    for a in layouts(7, terms):
        for b in layouts(terms, 11):
            torch.testing.assert_close(multiply(a, b), (a.double() @ b.double()).float(), rtol=1e-4, atol=1e-4)


def test_sums_of_many_terms_keep_their_digits():
    torch.manual_seed(0)
    a, b = torch.rand(50, 4096), torch.rand(4096, 30)
    truth = a.double() @ b.double()
    assert (product_of_many(a, b) - truth).norm() <= 4 * (truth.float() - truth).norm()
