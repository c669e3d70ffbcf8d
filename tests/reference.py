"""Every loss once more, in float64 NumPy, from the formulas alone: nothing of the package is used here."""

import numpy as np

PI = np.pi


def cosines(x, w):
    """(N, K) cosines; a zero vector has cosine 0."""
    nx, nw = np.linalg.norm(x, axis=1), np.linalg.norm(w, axis=1)
    dot = x @ w.T
    return np.divide(dot, np.outer(nx, nw), out=np.zeros_like(dot), where=np.outer(nx, nw) > 0)


def psi(theta, m):
    k = np.clip(np.floor(m * theta / PI), 0, m - 1)
    return (-1) ** k * np.cos(m * theta) - 2 * k


def folded(phase, last):
    k = np.clip(np.floor(phase / PI), 0, last)
    return (-1) ** k * np.cos(phase) - 2 * k


def dense_logits(name, fields, x, w, y, b):
    """(N, K) logits with the margin in the own column."""
    rows = np.arange(len(x))
    c = np.clip(cosines(x, w), -1, 1)
    nx, nw = np.linalg.norm(x, axis=1), np.linalg.norm(w, axis=1)
    unit_x = np.divide(x, nx[:, None], out=np.zeros_like(x), where=nx[:, None] > 0)
    s, theta = fields["scale"], np.arccos(c[rows, y])
    own = c[rows, y]
    if name == "Softmax":
        z = s * (x @ w.T)
    elif name == "LSoftmax":
        z = s * (x @ w.T)
        length = nx * nw[y]
        own = length * (fields["blend"] * own + psi(theta, fields["margin"])) / (1 + fields["blend"])
        z[rows, y] = s * own
    elif name == "ASoftmax":
        z = s * nx[:, None] * c
        own = nx * (fields["blend"] * own + psi(theta, fields["margin"])) / (1 + fields["blend"])
        z[rows, y] = s * own
    elif name == "L2Softmax":
        z = s * (unit_x @ w.T)
    else:
        z = s * c
        if name == "CosFace":
            own = own - fields["margin"]
        elif name == "ArcFace":
            m = fields["margin"]
            past = theta > PI - m
            own = {
                "smooth": np.where(past, -2 - np.cos(theta + m), np.cos(theta + m)),
                "plain": np.cos(theta + m),
                "monotone": np.where(past, own - m * np.sin(m), np.cos(theta + m)),
                "easy": np.where(own > 0, np.cos(theta + m), own),
                "clip": np.cos(np.minimum(theta + m, PI)),
            }[fields["tail"]]
        elif name == "CombinedMargin":
            phase = fields["m1"] * theta + fields["m2"]
            last = np.ceil((fields["m1"] * PI + fields["m2"]) / PI) - 1 if fields["tail"] == "smooth" else 0
            own = folded(phase, last) - fields["m3"]
        elif name not in ("NormFace", "COCO"):
            raise ValueError(f"no reference for {name}")
        z[rows, y] = s * own
    return z if b is None else z + b


def losses(name, fields, x, w, y, b=None):
    """(N,) losses: logsumexp of a row's logits less its own."""
    z = dense_logits(name, fields, x, w, y, b)
    top = z.max(axis=1)
    return top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[np.arange(len(x)), y]
