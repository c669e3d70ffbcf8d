"""The losses of one class against all others, from their formulas."""

import numpy as np

import cones

from ._given import softplus

MARGINS = [
    cones.SphereFace2(),
    cones.SphereFace2(margin=0.2, scale=6.0, power=2.5, balance=0.4, weight=3.0),
    cones.SphereFace2(margin=0.2, scale=6.0, power=1.0, weight=1.0),
    cones.SphereFace2(margin=0.3, scale=8.0, weight=4.0, straight_through=True),
    cones.UniFace(),
    cones.UniFace(margin=0.2, scale=6.0, balance=0.3),
    cones.P2SGrad(),
]


def sphere_face2(g, g0):
    r, m, share = g.fields["scale"], g.fields["margin"], g.fields["balance"]

    def spread(c):
        return 2 * ((c + 1) / 2) ** g.fields["power"] - 1

    c = g.cosine + spread(g0.cosine) - g0.cosine if g.fields["straight_through"] else spread(g.cosine)
    z = g.logits(r * (c + m), r * (c[g.rows, g.y] - m))
    own, others = share * softplus(-z), (1 - share) * softplus(z)
    return g.fields["weight"] / r * np.where(g.is_own, own, others).sum(axis=1)


def uni_face(g, g0):
    s = g.fields["scale"]
    z = g.logits(s * g.cosine, s * (g.own - g.fields["margin"]))
    return np.where(g.is_own, softplus(-z), g.fields["balance"] * softplus(z)).sum(axis=1)


def p2s_grad(g, g0):
    return ((g.logits(g.cosine, g.own) - g.is_own) ** 2).sum(axis=1)


FORMULAS = {
    "SphereFace2": sphere_face2,
    "UniFace": uni_face,
    "P2SGrad": p2s_grad,
}

NEUTRAL = [
    (
        cones.SphereFace2(margin=0.0, scale=9.0, power=1.0, balance=0.5, weight=18.0),
        cones.UniFace(margin=0.0, scale=9.0),
    ),
    (
        cones.SphereFace2(margin=0.3, scale=9.0, straight_through=True),
        cones.SphereFace2(margin=0.3, scale=9.0),
    ),
]
