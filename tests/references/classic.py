"""The losses of the 2016-2018 line, from their formulas."""

import numpy as np

import cones

from ._given import PI, cross_entropy, folded, psi

MARGINS = [
    cones.Softmax(),
    cones.Softmax(scale=2.5),
    cones.LSoftmax(margin=4),
    cones.LSoftmax(margin=2, scale=0.7, blend=3.0),
    cones.LSoftmax(margin=1),
    cones.ASoftmax(margin=4),
    cones.ASoftmax(margin=3, scale=1.3, blend=5.0),
    cones.ASoftmax(margin=7),
    cones.L2Softmax(),
    cones.NormFace(),
    cones.COCO(),
    cones.CosFace(),
    cones.CosFace(margin=0.2, scale=16.0),
    cones.ArcFace(),
    cones.ArcFace(margin=0.3, scale=16.0, tail="plain"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="monotone"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="easy"),
    cones.ArcFace(margin=0.3, scale=16.0, tail="clip"),
    cones.CombinedMargin(),
    cones.CombinedMargin(m1=1.35, m2=0.0, m3=0.0, scale=10.0),
    cones.CombinedMargin(m1=2.0, m2=0.4, m3=0.1, scale=5.0, tail="plain"),
]


def softmax(g, g0):
    z = g.fields["scale"] * (g.x @ g.w.T)
    return cross_entropy(g, z, z[g.rows, g.y])


def l_softmax(g, g0):
    s, blend = g.fields["scale"], g.fields["blend"]
    own = (blend * g.own + psi(g.theta, g.fields["margin"])) / (1 + blend)
    return cross_entropy(g, s * (g.x @ g.w.T), s * g.x_norm * g.w_norm[g.y] * own)


def a_softmax(g, g0):
    s, blend = g.fields["scale"], g.fields["blend"]
    own = (blend * g.own + psi(g.theta, g.fields["margin"])) / (1 + blend)
    return cross_entropy(g, s * g.x_norm[:, None] * g.cosine, s * g.x_norm * own)


def l2_softmax(g, g0):
    z = g.fields["scale"] * (g.unit_x @ g.w.T)
    return cross_entropy(g, z, z[g.rows, g.y])


def norm_face(g, g0):
    return on_cosines(g, g.own)


def cos_face(g, g0):
    return on_cosines(g, g.own - g.field("margin"))


def arc_face(g, g0):
    return on_cosines(g, arc(g.own, g.field("margin"), g.fields["tail"]))


def combined(g, g0):
    m1, m2 = g.fields["m1"], g.field("m2")
    last = np.ceil((m1 * PI + m2) / PI) - 1 if g.fields["tail"] == "smooth" else 0
    return on_cosines(g, folded(m1 * g.theta + m2, last) - g.field("m3"))


def on_cosines(g, own):
    """Cross entropy of scaled cosines, the own one replaced by own (N,)."""
    return cross_entropy(g, g.fields["scale"] * g.cosine, g.fields["scale"] * own)


def arc(cosine, m, tail):
    """cos(theta + m) with what stands past pi - m; m a number or (N,)."""
    theta = np.arccos(cosine)
    past = theta > PI - m
    return {
        "smooth": folded(theta + m, np.maximum(np.ceil(1 + m / PI) - 1, 0)),
        "plain": np.cos(theta + m),
        "monotone": np.where(past, cosine - m * np.sin(m), np.cos(theta + m)),
        "easy": np.where(cosine > 0, np.cos(theta + m), cosine),
        "clip": np.cos(np.minimum(theta + m, PI)),
    }[tail]


FORMULAS = {
    "Softmax": softmax,
    "LSoftmax": l_softmax,
    "ASoftmax": a_softmax,
    "L2Softmax": l2_softmax,
    "NormFace": norm_face,
    "COCO": norm_face,
    "CosFace": cos_face,
    "ArcFace": arc_face,
    "CombinedMargin": combined,
}
