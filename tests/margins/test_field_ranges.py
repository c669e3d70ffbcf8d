"""Every field over its whole range, at angles from 0 to pi: the formula's value, or the field is refused."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cones
from tests.engine.contract import engine, formula
from tests.losses import EVERY_MARGIN, problem

ENDS = [0.0, 1e-9, 1.0, math.pi / 2, math.pi, 3.3, 6.5, 100.0, -0.5]
WHOLE_ENDS = [0, 1, 2, 12]

# one of each kind, and of each tail
each_kind = pytest.mark.parametrize(
    "margin",
    list({(type(m), getattr(m, "tail", ""), getattr(m, "kind", "")): m for m in reversed(EVERY_MARGIN)}.values()),
    ids=repr,
)

# cosines of 1, a little less, 0, a little more than -1, and -1 to the own class, and one of another class
X = torch.tensor([[2.0, 0], [1.8, 0.2], [0, 2.0], [-2.0, 0.02], [-2.0, 0], [0.6, -1.4]], dtype=torch.float64)
W = torch.tensor([[1.0, 0], [-0.2, 1]], dtype=torch.float64)
Y = torch.tensor([0, 0, 0, 0, 0, 1])


def numbers(margin):
    """The names of the fields that are one number."""
    return [f.name for f in fields(margin) if type(getattr(margin, f.name)) in (int, float)]


def with_field(margin, name, value):
    """The margin with another value, or None where it refuses that."""
    try:
        return replace(margin, **{name: value})
    except ValueError:
        return None


def assert_formula(margin, x, w, y):
    expected = formula(x.numpy(), w.numpy(), y.numpy(), margin)
    # LM-Softmax divides its loss by the scale, and with it what rounding took from the logarithm
    atol = 1e-8 + (1e-15 / float(margin.scale) if isinstance(margin, cones.LMSoftmax) else 0)
    np.testing.assert_allclose(engine(x, w, y, margin).numpy(), expected, rtol=1e-9, atol=atol, err_msg=repr(margin))


@each_kind
def test_ends_of_the_fields(margin):
    for name in numbers(margin):
        for value in WHOLE_ENDS if isinstance(getattr(margin, name), int) else ENDS:
            changed = with_field(margin, name, value)
            if changed is not None and not (name == "scale" and value > 100):
                assert_formula(changed, X, W, Y)


@each_kind
@settings(max_examples=5)
@given(data=st.data())
def test_fields_between(margin, data):
    names = [name for name in numbers(margin) if isinstance(getattr(margin, name), float)]
    if not names:
        return
    x, w, y, _ = problem(n=5, k=4, d=3)
    name = data.draw(st.sampled_from(names))
    changed = with_field(margin, name, data.draw(st.floats(-1, 20, allow_subnormal=False)))
    if changed is not None:
        assert_formula(changed, x, w, y)


@pytest.mark.parametrize("margin", [3.3, 4.0, torch.tensor(3.3), (3.3, 3.3)], ids=repr)
def test_a_margin_past_pi_is_clipped_at_every_angle(margin):
    """cos(min(theta + m, pi)) is -1 at an angle of 0 too, and does not pull."""
    cosine = torch.tensor([1.0, 0.3, -1.0], dtype=torch.float64, requires_grad=True)
    rows = cones.Rows(cosine, cosine, cosine, torch.tensor([0, 1, 1]), {})
    target = cones.ArcFace(margin=margin, scale=2.0, tail="clip").target(cosine, rows)
    assert (target == -2).all()
    assert not target.requires_grad or (torch.autograd.grad(target.sum(), cosine)[0] == 0).all()
