"""Losses that modify the non-target logits, or the target logit along a curve of the angle, from their formulas."""

import numpy as np

import cones

from ._given import PI, cross_entropy, psi
from .classic import arc, on_cosines

MARGINS = [
    cones.SphereFaceR(),
    cones.SphereFaceR(margin=1.4, scale=8.0, version=1),
    cones.SphereFaceR(margin=1.9, scale=4.0, version=1),
    cones.SphereFaceR(margin=1.5, scale=8.0, version=2),
    cones.SphereFaceR(margin=2.3, scale=4.0, straight_through=True),
    cones.SphereFaceR(margin=1.4, scale=8.0, version=2, straight_through=True),
    cones.MVSoftmax(),
    cones.MVSoftmax(margin=0.2, scale=6.0, t=0.4, easy=False),
    cones.MVSoftmax(margin=0.3, scale=8.0, kind="arc"),
    cones.MVSoftmax(margin=0.4, scale=5.0, t=0.1, kind="arc", easy=False, adaptive=False),
    cones.CurricularFace(),
    cones.CurricularFace(margin=0.3, scale=6.0, momentum=0.1),
    cones.CircleLoss(),
    cones.CircleLoss(margin=0.4, scale=8.0),
    cones.X2Softmax(),
    cones.X2Softmax(scale=6.0, a=-0.5, h=-0.3, k=0.9),
    cones.X2Softmax(scale=6.0, straight_through=True),
    cones.ArcNegFace(),
    cones.ArcNegFace(margin=0.3, scale=8.0, alpha=0.9, sigma=0.7),
    cones.ArcNegFace(margin=0.3, scale=8.0, detach=True),
    cones.NPCFace(),
    cones.NPCFace(margin=0.3, scale=6.0, m0=0.2, m1=0.5, t=1.3, a=0.1),
    cones.NPCFace(margin=0.4, scale=6.0, m0=0.2, m1=0.5, detach=True),
    cones.LMSoftmax(),
    cones.LMSoftmax(scale=5.0),
]

NEUTRAL = [
    (cones.SphereFaceR(margin=1.0, scale=9.0), cones.NormFace(scale=9.0)),
    (cones.SphereFaceR(margin=1.0, scale=9.0, version=1), cones.NormFace(scale=9.0)),
    (cones.SphereFaceR(margin=1.0, scale=9.0, version=2), cones.NormFace(scale=9.0)),
    (cones.SphereFaceR(margin=1.7, scale=9.0), cones.CombinedMargin(m1=1.7, m2=0.0, m3=0.0, scale=9.0)),
    (cones.SphereFaceR(straight_through=True), cones.SphereFaceR()),
    (cones.MVSoftmax(margin=0.3, scale=9.0, t=0.0, easy=False), cones.CosFace(margin=0.3, scale=9.0)),
    (
        cones.MVSoftmax(margin=0.3, scale=9.0, t=0.0, kind="arc", easy=False),
        cones.ArcFace(margin=0.3, scale=9.0, tail="plain"),
    ),
    (cones.MVSoftmax(margin=0.3, scale=9.0, t=0.0, kind="arc"), cones.ArcFace(margin=0.3, scale=9.0, tail="easy")),
    (cones.X2Softmax(straight_through=True), cones.X2Softmax()),
    (cones.ArcNegFace(alpha=1.0, sigma=1e16), cones.ArcFace(tail="monotone")),
    (cones.ArcNegFace(detach=True), cones.ArcNegFace()),
    (cones.NPCFace(m0=0.3, m1=0.0, t=1.0, a=0.0), cones.ArcFace(margin=0.3, tail="easy")),
    (
        cones.NPCFace(margin=0.35, scale=32.0, m0=0.35, m1=0.0, t=1.2, a=0.2),
        cones.MVSoftmax(margin=0.35, scale=32.0, t=0.2, kind="arc"),
    ),
    (cones.NPCFace(detach=True), cones.NPCFace()),
]


def sphere_face_r(g, g0):
    m, s, version = g.fields["margin"], g.fields["scale"], g.fields["version"]

    def own(g):
        return {0: psi(g.theta, m), 1: np.cos(np.minimum(m * g.theta, PI)), 2: g.own}[version]

    def others(g):
        return np.cos(np.arccos(g.cosine) / m) if version == 2 else g.cosine

    if g.fields["straight_through"]:
        return cross_entropy(g, s * (g.cosine + others(g0) - g0.cosine), s * (g.own + own(g0) - g0.own))
    return cross_entropy(g, s * others(g), s * own(g))


def mv_softmax(g, g0):
    m, s, t = g.fields["margin"], g.fields["scale"], g.fields["t"]
    f = g.own - m if g.fields["kind"] == "am" else np.cos(g.theta + m)
    own = np.where(g.own > 0, f, g.own) if g.fields["easy"] else f
    added = t * (g.cosine + 1) if g.fields["adaptive"] else t
    return cross_entropy(g, s * (g.cosine + added * (g.cosine > f[:, None])), s * own)


def curricular_face(g, g0):
    m, s, t = g.fields["margin"], g.fields["scale"], g.statistics["t"]
    hard = g.cosine > np.cos(g.theta + m)[:, None]
    return cross_entropy(g, s * np.where(hard, g.cosine * (t + g.cosine), g.cosine), s * arc(g.own, m, "monotone"))


def circle_loss(g, g0):
    m, s = g.fields["margin"], g.fields["scale"]
    others = np.maximum(g0.cosine + m, 0) * (g.cosine - m)
    own = np.maximum(1 + m - g0.own, 0) * (g.own - (1 - m))
    return cross_entropy(g, s * others, s * own)


def x2_softmax(g, g0):
    def own(g):
        return g.fields["a"] * (g.theta - g.fields["h"]) ** 2 + g.fields["k"]

    return on_cosines(g, g.own + own(g0) - g0.own if g.fields["straight_through"] else own(g))


def arc_neg_face(g, g0):
    m, s = g.fields["margin"], g.fields["scale"]
    at = g0 if g.fields["detach"] else g
    near = (at.cosine - arc(at.own, m, "monotone")[:, None]) ** 2
    weight = g.fields["alpha"] * np.exp(-near / g.fields["sigma"])
    return cross_entropy(g, s * (weight * (g.cosine + 1) - 1), s * arc(g.own, m, "monotone"))


def npc_face(g, g0):
    s = g.fields["scale"]

    def hard(g):
        return (g.cosine > np.cos(g.theta + g.fields["margin"])[:, None]) & ~g.is_own

    def mean(g):
        return (g.cosine * hard(g)).sum(axis=1) / np.maximum(hard(g).sum(axis=1), 1)

    m = g.fields["m0"] + g.fields["m1"] * mean(g0 if g.fields["detach"] else g)
    others = np.where(hard(g), g.fields["t"] * g.cosine + g.fields["a"], g.cosine)
    return cross_entropy(g, s * others, s * arc(g.own, m, "easy"))


def lm_softmax(g, g0):
    s = g.fields["scale"]
    z = g.logits(s * g.cosine, s * g.own)
    apart = np.where(g.is_own, -np.inf, z - z[g.rows, g.y][:, None])
    top = apart.max(axis=1)
    return (top + np.log(np.exp(apart - top[:, None]).sum(axis=1))) / s


FORMULAS = {
    "SphereFaceR": sphere_face_r,
    "MVSoftmax": mv_softmax,
    "CurricularFace": curricular_face,
    "CircleLoss": circle_loss,
    "X2Softmax": x2_softmax,
    "ArcNegFace": arc_neg_face,
    "NPCFace": npc_face,
    "LMSoftmax": lm_softmax,
}
