"""Colours that stay apart, for colour-blind eyes too, and names at the rim that do not cover each other."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from cones.plots._palette import class_colors, text_color
from cones.plots.runs._plane import spread

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHTS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(linear: np.ndarray) -> np.ndarray:
    xyz = linear @ np.array([[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920], [0.1804375, 0.0721750, 0.9503041]])  # fmt: skip  # noqa: E501
    f = np.cbrt(np.maximum(xyz / np.array([0.95047, 1.0, 1.08883]), 1e-9))
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@pytest.mark.parametrize("sight", SIGHTS)
def test_ten_colours_stay_apart(sight: str) -> None:
    rgb = np.array([to_rgb(color) for color in class_colors(10)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = lab(np.clip(linear @ SIGHTS[sight].T, 0, 1))
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[np.triu_indices(10, 1)].min() > 24


@pytest.mark.parametrize("count", [0, 1, 10, 11, 100])
def test_a_colour_for_every_class(count: int) -> None:
    colors = class_colors(count)
    assert len(set(colors)) == count


def test_text_is_readable_on_its_badge() -> None:
    assert text_color("#ffffff") != "#ffffff"
    assert text_color("#000000") == "#ffffff"


def test_names_are_moved_apart_in_order() -> None:
    angles = [0.0, 0.01, 0.02, 3.0, -3.1]
    moved = spread(angles, gap=0.2)
    ordered = sorted(moved)
    gaps = [b - a for a, b in zip(ordered, [*ordered[1:], ordered[0] + 2 * math.pi], strict=True)]
    assert min(gaps) > 0.199
    assert moved[0] < moved[1] < moved[2]
    assert moved[1] == pytest.approx(0.01, abs=1e-6)
    assert spread([1.0], 0.5) == [1.0]
    assert len(spread([0.0] * 50, 0.5)) == 50
