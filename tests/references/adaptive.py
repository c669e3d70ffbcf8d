"""The losses whose margin or scale follows the features, from their formulas."""

import numpy as np
import torch

import cones

from ._given import PI, cross_entropy
from .classic import arc, on_cosines

MARGINS = [
    cones.AdaCos(),
    cones.AdaCos(dynamic=False),
    cones.AdaFace(),
    cones.AdaFace(margin=0.3, scale=8.0, concentration=3.0, epsilon=0.2),
    cones.AdaFace(margin=0.9, scale=5.0, concentration=1.0),
    cones.ElasticFace(),
    cones.ElasticFace(margin=0.3, scale=8.0, std=0.2, plus=True),
    cones.ElasticFace(margin=0.35, scale=8.0, std=0.3, kind="cos"),
    cones.ElasticFace(margin=0.35, scale=16.0, kind="cos", plus=True),
    cones.MagFace(),
    cones.MagFace(scale=8.0, lower_norm=1.5, upper_norm=3.0, lower_margin=0.2, upper_margin=0.9, weight=2.0),
    cones.MagFace(scale=5.0, lower_norm=0.5, upper_norm=9.0, lower_margin=0.1, upper_margin=1.2, easy=False),
]


def ada_cos(g, g0):
    s = g.statistics["scale"]
    return cross_entropy(g, s * g.cosine, s * g.own)


def ada_face(g, g0):
    m, epsilon = g.fields["margin"], g.fields["epsilon"]
    norm = np.clip(g0.x_norm, 1e-3, 100)
    z = g.fields["concentration"] * (norm - g.statistics["mean"]) / (g.statistics["std"] + epsilon)
    z = np.clip(z, -1, 1)
    angle = np.clip(g.theta - m * z, epsilon, PI - epsilon)
    return on_cosines(g, np.cos(angle) - (m + m * z))


def split_mix(state):
    """SplitMix64's output function."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def normal_draws(count):
    """The standard normal number of each row of a batch, from the next number of PyTorch's generator."""
    seed = np.array([int(torch.randint(2**63 - 1, ()))], dtype=np.uint64)
    counters = np.arange(1, 2 * count + 1, dtype=np.uint64)
    bits = split_mix(split_mix(seed) + counters * np.uint64(0x9E3779B97F4A7C15))
    uniform = ((bits >> np.uint64(11)).astype(float) + 0.5) / 2**53
    length, turn = uniform.reshape(count, 2).T
    return (np.sqrt(-2 * np.log(length)) * np.cos(2 * PI * turn)).astype(np.float32).astype(float)


def elastic_face(g, g0):
    margin = g.fields["margin"] + g.fields["std"] * normal_draws(len(g.x))
    if g.fields["plus"]:
        farther_than = np.argsort(np.argsort(-g.own, kind="stable"))
        margin = np.sort(margin)[farther_than]
    return on_cosines(g, arc(g.own, margin, "smooth") if g.fields["kind"] == "arc" else g.own - margin)


def mag_face(g, g0):
    low, high = g.fields["lower_norm"], g.fields["upper_norm"]
    a = np.clip(g.x_norm, low, high)
    margin = np.interp(a, [low, high], [g.fields["lower_margin"], g.fields["upper_margin"]])
    own = arc(g.own, margin, "easy" if g.fields["easy"] else "smooth")
    return on_cosines(g, own) + g.fields["weight"] * (a / high**2 + 1 / a)


FORMULAS = {
    "AdaCos": ada_cos,
    "AdaFace": ada_face,
    "ElasticFace": elastic_face,
    "MagFace": mag_face,
}

NEUTRAL = [
    (cones.AdaCos(dynamic=False), cones.NormFace(scale=9.0)),  # the running scale of the tests
    (cones.AdaFace(margin=0.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.AdaFace(margin=0.3, scale=9.0, concentration=0.0), cones.CosFace(margin=0.3, scale=9.0)),
    (cones.ElasticFace(margin=0.3, scale=9.0, std=0.0), cones.ArcFace(margin=0.3, scale=9.0)),
    (cones.ElasticFace(margin=0.3, scale=9.0, std=0.0, kind="cos", plus=True), cones.CosFace(margin=0.3, scale=9.0)),
    (
        cones.MagFace(scale=9.0, lower_margin=0.3, upper_margin=0.3, weight=0.0),
        cones.ArcFace(margin=0.3, scale=9.0, tail="easy"),
    ),
    (
        cones.MagFace(scale=9.0, lower_margin=0.3, upper_margin=0.3, weight=0.0, easy=False),
        cones.ArcFace(margin=0.3, scale=9.0),
    ),
]
