"""Recommendations of `cones.suggest`, and warnings of a head."""

import math
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cones
from cones import bounds, suggest
from cones.suggestion import far_outside
from tests.narrowing import not_none

SIZES = [(2, 2), (2, 64), (3, 2), (4, 2), (10, 2), (10, 3), (10, 64), (12, 2), (40, 3), (100, 64), (10_000, 512)]


def test_ten_digits_in_the_plane_and_beyond():
    plane, wide = suggest(10, 2), suggest(10, 64)
    assert (plane.scale, plane.cosface_margin, plane.arcface_margin) == (16.0, 0.064, 0.21)
    assert (wide.scale, wide.cosface_margin, wide.arcface_margin) == (17.0, 0.33, 0.52)


def test_many_faces_get_about_what_the_papers_use():
    faces = suggest(85_000, 512)
    assert 30 <= faces.scale <= 64
    assert faces.cosface_margin == pytest.approx(0.35, abs=0.03)
    assert faces.arcface_margin == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("num_classes", [4, 8, 10, 12])
def test_class_directions_in_the_plane_reach_the_probability(num_classes):
    angles = 2 * np.pi * np.arange(1, num_classes) / num_classes
    others = np.exp(suggest(num_classes, 2).scale * (np.cos(angles) - 1)).sum()
    assert 1 / (1 + others) >= 0.895  # a hair is left to the classes beyond the nearest two


@pytest.mark.parametrize(("num_classes", "dim"), SIZES)
def test_a_class_keeps_two_thirds_of_its_cell(num_classes, dim):
    """The farthest feature that meets a margin against a neighbour is two thirds of the way to the border."""
    take, spacing = suggest(num_classes, dim), bounds.arcface_margin(num_classes, dim)
    theta = np.linspace(0, spacing / 2, 10_001)
    for met in (
        np.cos(theta) - take.cosface_margin > np.cos(spacing - theta),
        np.cos(theta + take.arcface_margin) > np.cos(spacing - theta),
    ):
        assert theta[met].max() / (spacing / 2) > 0.65


@pytest.mark.parametrize(("num_classes", "dim"), SIZES)
def test_rows_are_the_bounds(num_classes, dim):
    suggestion = suggest(num_classes, dim, probability=0.95)
    values = {row.name: row.value for row in suggestion.rows}
    assert values["CosFace: scale at least"] == bounds.cosface_scale(num_classes, 0.95)
    assert values["CosFace: margin at most"] == bounds.cosface_margin(num_classes, dim)
    assert values["A-Softmax: multiple at least"] == bounds.asoftmax_margin(num_classes)
    assert ("L2-softmax: scale at least" in values) == (num_classes > 2)
    assert all(row.paper and row.equation and row.assumes for row in suggestion.rows)


def test_print_shows_every_row_and_what_to_take():
    text = str(suggest(10, 2))
    lines = text.splitlines()
    assert lines[0] == "10 classes in 2 dims, probability P = 0.9"
    for row in suggest(10, 2).rows:
        assert any(line.startswith(row.name) and f"{row.value:.4g}" in line for line in lines)
    assert "Use scale 16; CosFace margin 0.064; ArcFace margin 0.21 radians, 12 degrees." in lines
    assert text.endswith(suggest(10, 2).advice)


@pytest.mark.parametrize(
    ("num_classes", "dim", "text"),
    [
        (2, 64, "Two classes can be opposite"),
        (10, 64, "Trust CosFace's scale: 10 directions in 64 dims can form the regular simplex"),
        (10, 2, "Trust none of the scales in the plane"),
        (10, 2, "class directions reach 0.9 among their nearest neighbours, 36 degrees away"),
        (40, 3, "Trust CosFace's scale as a lower bound"),
        (10_000, 512, "L2-softmax agrees, since nearly all others are near right angles"),
        (1000, 2, "The classes are crowded"),
        (1000, 2, "Use 6 dims"),
        (10, 2, "AdaCos is lower because it aims for one half"),
        (10_000, 512, "AdaCos is higher because it aims for one half at 45 degrees"),
    ],
)
def test_advice_says_which_bound_to_believe(num_classes, dim, text):
    assert text in " ".join(suggest(num_classes, dim).advice.split())


def test_a_larger_probability_takes_a_larger_scale():
    scales = [suggest(10, 64, probability).scale for probability in (0.5, 0.9, 0.99, 0.999)]
    assert scales == sorted(scales)
    assert len(set(scales)) == len(scales)


def test_a_suggestion_is_frozen():
    with pytest.raises(FrozenInstanceError):
        suggest(10, 2).scale = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, 2), "num_classes is 1, expected a whole number of at least 2: a single class is always right"),
        ((10, 1), "dim is 1, expected a whole number of at least 2: on a line there are only two directions"),
        ((10, 2, 1), "probability is 1, expected a number between 0 and 1"),
    ],
)
def test_errors_name_the_argument(arguments, text):
    with pytest.raises(ValueError, match=text):
        suggest(*arguments)


# What a head warns of.


@given(st.integers(2, 10**6), st.integers(2, 1024))
def test_what_is_suggested_is_never_far_outside(num_classes, dim):
    take = suggest(num_classes, dim)
    for margin in (
        cones.NormFace(scale=take.scale),
        cones.CosFace(margin=take.cosface_margin, scale=take.scale),
        cones.ArcFace(margin=take.arcface_margin, scale=take.scale),
    ):
        assert far_outside(margin, num_classes, dim) is None


@pytest.mark.parametrize("dim", [2, 3, 64, 512])
@pytest.mark.parametrize("margin", [cones.ArcFace(margin=0.1), cones.CosFace(margin=0.1), cones.NormFace(scale=64.0)])
def test_scale_64_with_10_classes_is_far_outside(margin, dim):
    text = not_none(far_outside(margin, 10, dim))
    assert text.startswith(f"{type(margin).__name__}: scale is 64.0, far above the 3.955")
    assert "arXiv 1801.09414, eq. 6" in text
    assert f"use {suggest(10, dim).scale:g}, see cones.suggest(10, {dim})" in text


@pytest.mark.parametrize("num_classes", [1000, 10_000, 10**6])
def test_scale_64_with_many_classes_is_not(num_classes):
    assert far_outside(cones.ArcFace(), num_classes, 512) is None
    assert far_outside(cones.CosFace(), num_classes, 512) is None


@pytest.mark.parametrize("dim", [2, 64])
def test_scale_30_with_10_classes_is_not(dim):
    assert far_outside(cones.NormFace(scale=30.0), 10, dim) is None


def test_a_scale_too_small_for_the_classes_is():
    text = not_none(far_outside(cones.NormFace(scale=5.0), 10_000, 512))
    assert text.startswith(
        "NormFace: scale is 5.0, but 10,000 classes, however arranged, need at least 11.41 to reach probability 0.9"
    )
    assert "eq. 6" in text
    assert "use 45" in text


def test_a_margin_that_looks_like_degrees_is():
    text = far_outside(cones.ArcFace(margin=28.6, scale=16.0), 10, 64)
    assert text == ("ArcFace: margin is 28.6 radians, past pi / 2: angles are radians; 28.6 degrees would be 0.4992")
    assert "m2 is 20 radians" in not_none(far_outside(cones.CombinedMargin(m2=20, m3=0.0, scale=16.0), 10, 64))


def test_a_margin_that_nothing_can_meet_is():
    text = not_none(far_outside(cones.CosFace(margin=0.35, scale=16.0), 10, 2))
    assert text.startswith("CosFace: margin is 0.35, but 10 class directions in 2 dims are at most 0.191 in cosine")
    assert "eq. 7" in text
    assert "use 0.064" in text
    text = not_none(far_outside(cones.ArcFace(margin=0.7, scale=16.0), 10, 2))
    assert text.startswith("ArcFace: margin is 0.7 radians, but 10 class directions in 2 dims are at most 0.6283")
    assert "m3 is 0.2" in not_none(far_outside(cones.CombinedMargin(scale=16.0), 10, 2))
    assert far_outside(cones.ArcFace(margin=0.5, scale=16.0), 10, 2) is None


@pytest.mark.parametrize("name", cones.margins.known())
def test_angles_and_cosines_are_fields(name):
    margin = getattr(cones.margins, name)
    assert {*margin.angles, *margin.cosines} <= {field.name for field in fields(margin)}


def test_both_are_told_at_once():
    text = not_none(far_outside(cones.CosFace(), 10, 2))
    assert "margin is 0.35" in text
    assert "; CosFace: scale is 64.0" in text


@pytest.mark.parametrize(
    "margin",
    [
        cones.Softmax(scale=64.0),
        cones.LSoftmax(),
        cones.ASoftmax(scale=64.0),
        cones.L2Softmax(scale=640.0),
        cones.NormFace(scale=torch.tensor(64.0)),
    ],
)
def test_raw_geometries_and_learnt_scales_are_left_alone(margin):
    assert far_outside(margin, 10, 2) is None


@dataclass(frozen=True)
class Gamma(cones.Margin):
    """A margin that bends the others, so that its scale is not theirs."""

    scale: float = 256.0

    def target(self, similarity, rows):
        return self.scale * similarity

    def others(self, similarity, target, rows):
        return self.scale * similarity**2


@dataclass(frozen=True)
class Scaleless(cones.Margin):
    """A margin without a scale of its own."""

    @property
    def scale(self):
        return math.nan

    def target(self, similarity, rows):
        return similarity


@pytest.mark.parametrize("margin", [Gamma(), Scaleless()])
def test_scales_with_a_meaning_of_their_own_are_left_alone(margin):
    assert far_outside(margin, 10, 64) is None


@pytest.mark.parametrize(("num_classes", "dim"), [(1, 2), (1, 1), (2, 1), (5, 1)])
def test_one_class_and_a_line_are_left_alone(num_classes, dim):
    assert far_outside(cones.ArcFace(), num_classes, dim) is None
    assert "radians" in not_none(far_outside(replace(cones.ArcFace(), margin=28.6), num_classes, dim))
