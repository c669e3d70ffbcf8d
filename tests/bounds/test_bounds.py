"""The papers' bounds: published numbers, configurations that attain them, and none that exceeds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cones import bounds

# Cosines of the closest two of the best arrangements known, from published tables of spherical codes.
BEST_KNOWN = {
    (3, 7): 0.2101,
    (3, 8): 0.2612,
    (3, 9): 0.3333,
    (3, 10): 0.4044,
    (3, 24): 0.7231,
    (4, 24): 0.5,
    (8, 240): 0.5,
}


def simplex(num_classes):
    """(K, K) unit rows, all at cosine -1 / (K - 1) to each other."""
    rows = np.eye(num_classes) - 1 / num_classes
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ring(num_classes):
    """(K, 2) unit rows, evenly around the plane."""
    angles = 2 * np.pi * np.arange(num_classes) / num_classes
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def losses(directions, scale):
    """(K,) softmax losses of features that lie on their class directions."""
    others = ~np.eye(len(directions), dtype=bool)
    cosines = directions @ directions.T
    return np.log1p((others * np.exp(scale * (cosines - cosines.diagonal()[:, None]))).sum(axis=1))


def smallest_angle(directions):
    cosines = directions @ directions.T
    return np.arccos(np.clip(cosines[~np.eye(len(directions), dtype=bool)].max(), -1, 1))


def directions_at_random(seed, num_classes, dim):
    rows = np.random.default_rng(seed).normal(size=(num_classes, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("num_classes", "scale"), [(10, 4.277), (100, 6.782), (1000, 9.103), (13403, 11.700)])
def test_l2_softmax_scale(num_classes, scale):
    assert bounds.l2_softmax_scale(num_classes) == pytest.approx(scale, abs=5e-4)
    # one class opposite, the others at right angles, the opposite one left out as in the paper
    reached = np.exp(bounds.l2_softmax_scale(num_classes))
    assert reached / (reached + num_classes - 2) == pytest.approx(0.9, rel=1e-12)


@pytest.mark.parametrize(("num_classes", "scale"), [(10, 5.70), (1000, 8.06), (10_000, 9.21)])
def test_coco_scale(num_classes, scale):
    exact = bounds.coco_scale(num_classes)
    assert exact == pytest.approx(scale, abs=5e-3)
    assert np.log1p((num_classes - 1) * np.exp(-2 * exact)) == pytest.approx(1e-4, rel=1e-9)


def test_normface_loss_of_the_paper():
    assert bounds.normface_loss(10575, 1.0) == pytest.approx(8.27, abs=5e-3)


@pytest.mark.parametrize("num_classes", [2, 3, 10, 50])
@pytest.mark.parametrize("scale", [0.5, 4.0, 20.0])
def test_the_regular_simplex_reaches_normface_loss(num_classes, scale):
    np.testing.assert_allclose(losses(simplex(num_classes), scale), bounds.normface_loss(num_classes, scale), rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 6), st.floats(0.1, 30))
def test_no_arrangement_is_below_normface_loss(seed, num_classes, dim, scale):
    directions = directions_at_random(seed, num_classes, dim)
    assert losses(directions, scale).mean() >= bounds.normface_loss(num_classes, scale) * (1 - 1e-9)


def test_normface_loss_of_large_scales_and_many_classes():
    assert bounds.normface_loss(2, 1000.0) == 0.0
    assert bounds.normface_loss(10, 64.0) == pytest.approx(9 * np.exp(-64 * 10 / 9), rel=1e-12)
    assert bounds.normface_loss(10**9, 1e-3) == pytest.approx(np.log(10**9) - 1e-3, rel=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3, 10, 50])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.999])
def test_the_regular_simplex_reaches_cosface_scale(num_classes, probability):
    scale = bounds.cosface_scale(num_classes, probability)
    np.testing.assert_allclose(np.exp(-losses(simplex(num_classes), scale)), probability, rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 6), st.floats(0.5, 0.99))
def test_no_arrangement_reaches_more_at_cosface_scale(seed, num_classes, dim, probability):
    directions = directions_at_random(seed, num_classes, dim)
    reached = np.exp(-losses(directions, bounds.cosface_scale(num_classes, probability)))
    assert reached.min() <= probability * (1 + 1e-9)


def test_cosface_scale_is_zero_where_any_scale_does():
    assert bounds.cosface_scale(1) == 0
    assert bounds.cosface_scale(10, 0.1) == pytest.approx(0, abs=1e-12)
    assert bounds.cosface_scale(10, 0.05) == 0
    assert bounds.l2_softmax_scale(3, 0.1) == 0
    assert bounds.coco_scale(1) == 0
    assert bounds.coco_scale(2, epsilon=5.0) == 0


def test_adacos_scale():
    assert bounds.adacos_scale(10) == pytest.approx(np.sqrt(2) * np.log(9))
    assert bounds.adacos_scale(1) == bounds.adacos_scale(2) == bounds.adacos_scale(3) == np.sqrt(2) * np.log(2)
    # half at 45 degrees, all others at right angles
    own = np.exp(bounds.adacos_scale(1000) * np.cos(np.pi / 4))
    assert own / (own + 999) == pytest.approx(0.5)


@pytest.mark.parametrize("num_classes", [2, 3, 4, 5, 8, 10, 23, 1000])
def test_margins_in_the_plane(num_classes):
    angle = smallest_angle(ring(num_classes))
    assert bounds.arcface_margin(num_classes, 2) == pytest.approx(angle, rel=1e-9)
    assert bounds.cosface_margin(num_classes, 2) == pytest.approx(1 - np.cos(2 * np.pi / num_classes), rel=1e-9)


@pytest.mark.parametrize(
    ("num_classes", "dim"), [(2, 1), (2, 512), (3, 2), (4, 3), (5, 7), (10, 9), (10, 64), (513, 512)]
)
def test_margins_of_the_simplex(num_classes, dim):
    assert bounds.cosface_margin(num_classes, dim) == pytest.approx(num_classes / (num_classes - 1), rel=1e-12)
    assert bounds.arcface_margin(num_classes, dim) == pytest.approx(smallest_angle(simplex(num_classes)), abs=1e-7)


@pytest.mark.parametrize(("num_classes", "dim"), [(5, 3), (6, 3), (6, 4), (8, 4), (14, 12), (24, 12), (1024, 512)])
def test_axes_and_their_opposites_reach_a_right_angle(num_classes, dim):
    axes = np.concatenate([np.eye(dim), -np.eye(dim)])[:num_classes]
    assert smallest_angle(axes) == pytest.approx(np.pi / 2)
    assert bounds.arcface_margin(num_classes, dim) == pytest.approx(np.pi / 2)
    assert bounds.cosface_margin(num_classes, dim) == pytest.approx(1)


def test_the_icosahedron_reaches_the_bound():
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    corners = np.array([np.roll(corner, shift) for corner in corners for shift in range(3)]) / np.hypot(1, golden)
    assert bounds.arcface_margin(12, 3) == pytest.approx(smallest_angle(corners), rel=1e-9)


@pytest.mark.parametrize(("dim", "num_classes"), BEST_KNOWN)
def test_the_best_arrangements_known_are_within_the_bounds(dim, num_classes):
    best = BEST_KNOWN[dim, num_classes]
    assert 1 - best - 1e-4 <= bounds.cosface_margin(num_classes, dim) <= 1 - best + 0.25
    assert np.arccos(best) - 1e-3 <= bounds.arcface_margin(num_classes, dim)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 8))
def test_no_arrangement_is_wider_than_the_bound(seed, num_classes, dim):
    directions = directions_at_random(seed, num_classes, dim)
    assert smallest_angle(directions) <= bounds.arcface_margin(num_classes, dim) + 1e-7


@given(st.integers(2, 10**6), st.integers(1, 2000))
def test_more_classes_have_less_room_and_more_dims_have_more(num_classes, dim):
    angle = bounds.arcface_margin(num_classes, dim)
    assert 0 <= angle <= np.pi
    assert bounds.arcface_margin(num_classes + 1, dim) <= angle + 1e-12
    if dim != 3:  # the bound in 3 dims is a better one than those beside it
        assert bounds.arcface_margin(num_classes, dim + 1) >= angle - 1e-12


def test_a_line_has_two_directions():
    assert bounds.arcface_margin(2, 1) == pytest.approx(np.pi)
    assert bounds.arcface_margin(3, 1) == bounds.cosface_margin(3, 1) == 0


@pytest.mark.parametrize("num_classes", [3, 8, 10])
def test_features_on_their_class_meet_the_largest_margin_and_no_larger(num_classes):
    directions = ring(num_classes)
    cosines = directions @ directions.T
    nearest = np.where(np.eye(num_classes, dtype=bool), -2, cosines).max(axis=1)
    for factor, meets in ((0.999, True), (1.001, False)):
        cosine, angle = (factor * bound(num_classes, 2) for bound in (bounds.cosface_margin, bounds.arcface_margin))
        assert np.all((1 - cosine > nearest) == meets)
        assert np.all((np.cos(angle) > nearest) == meets)


@pytest.mark.parametrize(("num_classes", "margin"), [(2, 2 + np.sqrt(3)), (3, 3), (10, 3), (10_000, 3)])
def test_asoftmax_margin(num_classes, margin):
    assert bounds.asoftmax_margin(num_classes) == pytest.approx(margin)


def farthest_and_nearest(num_classes, margin):
    """Largest angle within a class, smallest between two, of all features in the plane that A-Softmax accepts."""
    theta = np.linspace(-np.pi, np.pi, 200_001)
    # two classes as the paper draws them, 1 radian apart; more than two evenly around the circle
    places = np.array([0.0, 1.0]) if num_classes == 2 else 2 * np.pi * np.arange(num_classes) / num_classes
    away = np.abs((theta[:, None] - places + np.pi) % (2 * np.pi) - np.pi)
    owned = margin * away[:, 0] < np.delete(away, 0, axis=1).min(axis=1)
    low, high = theta[owned].min(), theta[owned].max()
    neighbour_low = places[1] - high if num_classes == 2 else places[1] + low
    return high - low, neighbour_low - high


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_asoftmax_margin_separates_in_the_plane(num_classes):
    least = bounds.asoftmax_margin(num_classes)
    within, between = farthest_and_nearest(num_classes, least + 0.01)
    assert within < between
    within, between = farthest_and_nearest(num_classes, least - 0.01)
    assert within > between


WRONG = [
    (lambda: bounds.l2_softmax_scale(2), r"num_classes is 2, expected a whole number of at least 3: use cosface_scale"),
    (lambda: bounds.l2_softmax_scale(10, 1.0), r"probability is 1.0, expected a number between 0 and 1"),
    (lambda: bounds.cosface_scale(0), r"num_classes is 0, expected a whole number of at least 1"),
    (lambda: bounds.cosface_scale(10, float("nan")), r"probability is nan"),
    (lambda: bounds.cosface_scale(10, "0.9"), r"probability is '0.9'"),  # type: ignore[arg-type]
    (lambda: bounds.normface_loss(10, 0.0), r"scale is 0.0, expected a finite number above 0"),
    (lambda: bounds.normface_loss(10, float("inf")), r"scale is inf"),
    (lambda: bounds.coco_scale(10, epsilon=0), r"epsilon is 0, expected a finite number above 0"),
    (lambda: bounds.adacos_scale(-1), r"num_classes is -1"),
    (lambda: bounds.cosface_margin(1, 2), r"num_classes is 1, expected a whole number of at least 2: a margin stands"),
    (lambda: bounds.arcface_margin(10, 0), r"dim is 0, expected a whole number of at least 1"),
    (lambda: bounds.arcface_margin(10.5, 2), r"num_classes is 10.5, expected a whole number"),  # type: ignore[arg-type]
    (lambda: bounds.asoftmax_margin(True), r"num_classes is True"),
]


@pytest.mark.parametrize(("call", "text"), WRONG)
def test_errors_name_the_argument(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_one_class_is_always_right():
    assert bounds.normface_loss(1, 5.0) == 0
    assert np.isfinite(bounds.adacos_scale(1))
