"""MagFace: margins by the feature norm, with the gradient through it, and the term on the norm."""

import math

import pytest
import torch

import cones
from cones import ArcFace, MagFace, margin_softmax
from tests.losses import problem
from tests.narrowing import grad_of


def rows_of(cosine, norm):
    cosine, norm = (torch.tensor([number], dtype=torch.float64) for number in (cosine, norm))
    return cones.Rows(cosine, norm, torch.ones_like(norm), torch.zeros(1, dtype=torch.long), {})


@pytest.mark.parametrize(
    ("norm", "angle"), [(0.0, 0.45), (3.0, 0.45), (10.0, 0.45), (60.0, 0.625), (110.0, 0.8), (500.0, 0.8)]
)
def test_margin_grows_with_the_norm(norm, angle):
    theta = 0.7
    rows = rows_of(math.cos(theta), norm)
    assert MagFace(scale=2.0).target(rows.similarity, rows).item() == pytest.approx(2 * math.cos(theta + angle))


def test_easy_margin_and_the_smooth_tail():
    rows = rows_of(-0.5, 10.0)
    assert MagFace(scale=2.0).target(rows.similarity, rows).item() == pytest.approx(-1.0)
    theta = math.acos(-0.5)
    plain = MagFace(scale=2.0, easy=False).target(rows.similarity, rows).item()
    assert plain == pytest.approx(2 * math.cos(theta + 0.45))
    past = rows_of(math.cos(3.0), 10.0)
    assert MagFace(scale=2.0, easy=False).target(past.similarity, past).item() == pytest.approx(
        2 * (-2 - math.cos(3.45))
    )


@pytest.mark.parametrize("norm", [5.0, 10.0, 60.0, 200.0])
def test_target_logit_falls_with_the_angle(norm):
    theta = torch.linspace(0, torch.pi, 4001, dtype=torch.float64)
    one = torch.ones_like(theta)
    rows = cones.Rows(theta.cos(), norm * one, one, torch.zeros(len(theta), dtype=torch.long), {})
    logit = MagFace(scale=8.0, easy=False).target(theta.cos(), rows)
    assert (logit.diff() <= 1e-9).all()
    assert (logit <= 8 * theta.cos() + 1e-9).all()


def test_term_on_the_norm_is_least_at_the_upper_norm():
    margin = MagFace()

    def term(norm):
        return margin.penalty(rows_of(0.5, norm)).item()

    assert term(110.0) == pytest.approx(35 * 2 / 110)
    assert term(10.0) == pytest.approx(35 * (10 / 110**2 + 1 / 10))
    assert term(1.0) == term(10.0)
    assert term(10.0) > term(50.0) > term(109.0) > term(110.0) == term(300.0)


def test_gradient_along_the_feature_is_that_of_margin_and_term():
    """x . dL/dx = |x| dL/d|x|; the direction does not change along x."""
    _, w, y, _ = problem()
    x = torch.nn.functional.normalize(problem()[0])
    margin = MagFace(scale=8.0, lower_norm=1.0, upper_norm=5.0, weight=3.0)
    for length in (0.5, 2.0, 4.0, 7.0):
        leaf = (length * x).requires_grad_()
        margin_softmax(leaf, w, y, margin).sum().backward()
        along = (grad_of(leaf) * x).sum()
        h = 1e-6
        with torch.no_grad():
            longer, shorter = (margin_softmax((length + d) * x, w, y, margin).sum() for d in (h, -h))
        assert along.item() == pytest.approx(((longer - shorter) / (2 * h)).item(), abs=1e-7)
        if not 1 < length < 5:
            assert along.abs() < 1e-12


def test_defaults_meet_the_bound_of_the_proof():
    m = MagFace()
    slope = (m.upper_margin - m.lower_margin) / (m.upper_norm - m.lower_norm)
    bound = m.scale * slope * m.upper_norm**2 * m.lower_norm**2 / (m.upper_norm**2 - m.lower_norm**2)
    assert bound == pytest.approx(22.587, abs=1e-3)
    assert m.weight >= bound


def test_one_margin_and_no_weight_is_arcface():
    x, w, y, _ = problem()
    flat = MagFace(scale=8.0, lower_margin=0.3, upper_margin=0.3, weight=0.0, easy=False)
    torch.testing.assert_close(margin_softmax(x, w, y, flat), margin_softmax(x, w, y, ArcFace(0.3, 8.0)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"lower_norm": 0.0}, "lower_norm is 0.0, expected a finite number above 0"),
        ({"upper_norm": 10.0}, "upper_norm is 10.0, expected above lower_norm, 10.0"),
        ({"lower_margin": -1.0}, "lower_margin is -1.0, expected a finite number of at least 0"),
        ({"upper_margin": 0.2}, "upper_margin is 0.2, expected at least lower_margin, 0.45"),
        ({"weight": -1.0}, "weight is -1.0, expected a finite number of at least 0"),
    ],
)
def test_errors_name_the_field(fields, text):
    with pytest.raises(ValueError, match=f"MagFace: {text}"):
        MagFace(**fields)
