"""The feature losses, from their formulas; each the mean over rows, or the one number of a batch or of W.

A formula takes features x (N, D), weight w (K, D), labels y, and the x0, w0 at which it takes what a loss holds fixed.
Centers, where a loss has some, stand in the place of the weight.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import cones

from ._given import softplus
from .classic import arc


class FeatureCase(NamedTuple):
    """A feature loss: how it is called with tensors features, weight and labels, and its formula."""

    call: Callable[..., Tensor]
    formula: Callable[..., Any]


def by_name(kind, x, w, y, reduction="mean", **fields):
    """A feature loss of given fields, built for w (K, D) and called with what its arguments name.

    Rows of even labels count as rightly classified, where a loss asks for that.
    """
    given = {"num_classes": lambda: len(w), "dim": lambda: w.shape[1]}
    loss = kind(
        **{name: size() for name, size in given.items() if name in inspect.signature(kind).parameters}, **fields
    )
    if isinstance(loss, nn.Module):
        loss = (loss.double() if w.dtype == torch.float64 else loss).forward
    given = {
        "features": lambda: x,
        "weight": lambda: w,
        "labels": lambda: y,
        "correct": lambda: y % 2 == 0,
        "num_classes": lambda: len(w),
        "reduction": lambda: reduction,
    }
    return loss(**{name: given[name]() for name in inspect.signature(loss).parameters})


def unit(rows):
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0)


def others(y, k):
    """(N, K), True but in each row's own column."""
    return np.arange(k) != y[:, None]


def center(x, w, y, x0, w0):
    return (0.5 * ((x - w[y]) ** 2).sum(1)).mean()


def call_center(x, w, y):
    loss = cones.CenterLoss(*w.shape).to(w.dtype)
    loss.centers = w
    return loss(x, y)


def contrastive_center(x, w, y, x0, w0):
    squared = ((x[:, None] - w) ** 2).sum(2)
    own = squared[np.arange(len(x)), y]
    return (0.5 * own / (squared.sum(1) - own + 1.0)).mean()


def call_contrastive_center(x, w, y):
    loss = cones.ContrastiveCenter(*w.shape).to(w.dtype)
    del loss.centers
    loss.centers = w
    return loss(x, y)


def incay(x, w, y, x0, w0):
    right = (x0 @ w0.T).argmax(1) == y
    return (right / ((x**2).sum(1) + 1e-6)).mean()


def ring(x, w, y, x0, w0):
    return (0.5 * (np.linalg.norm(x, axis=1) - 2.0) ** 2).mean()


def contrastive_agents(x, w, y, x0, w0):
    squared = ((unit(x)[:, None] - unit(w)) ** 2).sum(2)
    push = np.where(others(y, len(w)), np.maximum(0, 1.0 - squared), 0).sum(1)
    return (squared[np.arange(len(x)), y] + push).mean()


def triplet_agents(x, w, y, x0, w0):
    squared = ((unit(x)[:, None] - unit(w)) ** 2).sum(2)
    own = squared[np.arange(len(x)), y][:, None]
    return np.where(others(y, len(w)), np.maximum(0, 0.8 + own - squared), 0).sum(1).mean()


def batch_coco(x, w, y, x0, w0):
    centroids = np.stack([x[y == j].mean(0) if (y == j).any() else np.zeros(x.shape[1]) for j in range(len(w))])
    z = 6.25 * unit(x) @ unit(centroids).T
    return (np.logaddexp.reduce(z, axis=1) - z[np.arange(len(x)), y]).mean()


def circle_pairs(x, w, y, x0, w0):
    scale, m = 80.0, 0.25
    s, s0 = unit(x) @ unit(x).T, unit(x0) @ unit(x0).T
    losses = []
    for i in range(len(x)):
        same = (y == y[i]) & (np.arange(len(x)) != i)
        different = y != y[i]
        if not same.any() or not different.any():
            losses.append(0.0)
            continue
        pulled = -scale * np.maximum(0, 1 + m - s0[i, same]) * (s[i, same] - (1 - m))
        pushed = scale * np.maximum(0, s0[i, different] + m) * (s[i, different] - m)
        losses.append(softplus(np.logaddexp.reduce(pulled) + np.logaddexp.reduce(pushed)))
    return np.mean(losses)


def disc_face(x, w, y, x0, w0):
    return np.linalg.norm(unit(x) - unit(w)[y] - 0.01, axis=1).mean()


def call_disc_face(x, w, y):
    loss = cones.DiscFace(w.shape[1]).to(w.dtype)
    loss.xi.data.fill_(0.01)
    return loss(x, w, y)


def mhe(x, w, y, x0, w0):
    i, j = np.triu_indices(len(w), 1)
    return np.log(1 / np.maximum(np.linalg.norm(unit(w)[i] - unit(w)[j], axis=1), 0.01)).mean()


def regular_face(x, w, y, x0, w0):
    cosine = unit(w) @ unit(w).T
    np.fill_diagonal(cosine, -np.inf)
    return cosine.max(1).mean()


def unpg(x, w, y, x0, w0):
    scale, u = 8.0, unit(x)
    a, b = np.triu_indices(len(x), 1)
    apart = y[a] != y[b]
    pairs, kept_at = (u[a] * u[b]).sum(1)[apart], (unit(x0)[a] * unit(x0)[b]).sum(1)[apart]
    low, high = np.sort(kept_at)[[int(0.25 * len(kept_at)), int(0.75 * len(kept_at))]]
    kept = pairs[(kept_at >= low - 1.5 * (high - low)) & (kept_at <= high + 1.5 * (high - low))]
    cosine = u @ unit(w).T
    own = scale * arc(np.clip(cosine[np.arange(len(x)), y], -1, 1), 0.5, "smooth")
    z = np.where(others(y, len(w)), scale * cosine, -np.inf)
    rest = np.logaddexp(np.logaddexp.reduce(z, axis=1), np.logaddexp.reduce(scale * kept))
    return softplus(rest - own).mean()


def vpl(x, w, y, x0, w0):
    """After one step that saw the first three rows of x0."""
    mixed = unit(w)
    for row in range(3):  # the last row of a class is the one remembered
        mixed[y[row]] = 0.85 * unit(w)[y[row]] + 0.15 * unit(x0)[row]
    cosine = unit(x) @ unit(mixed).T
    z = 8.0 * np.where(others(y, len(w)), cosine, cosine - 0.2)
    return (np.logaddexp.reduce(z, axis=1) - z[np.arange(len(x)), y]).mean()


def call_vpl(x, w, y):
    loss = cones.VPL(*w.shape, margin=cones.CosFace(margin=0.2, scale=8.0), start=0).to(w.dtype)
    loss.update(x[:3].detach(), y[:3])
    return loss(x, w, y)


def call_incay(x, w, y):
    return cones.FeatureIncay()(x, (x @ w.T).argmax(dim=1) == y)


FEATURE_CASES = {
    "BatchCOCO": FeatureCase(partial(by_name, cones.BatchCOCO), batch_coco),
    "CenterLoss": FeatureCase(call_center, center),
    "CirclePairs": FeatureCase(partial(by_name, cones.CirclePairs), circle_pairs),
    "ContrastiveAgents": FeatureCase(partial(by_name, cones.ContrastiveAgents), contrastive_agents),
    "ContrastiveCenter": FeatureCase(call_contrastive_center, contrastive_center),
    "DiscFace": FeatureCase(call_disc_face, disc_face),
    "FeatureIncay": FeatureCase(call_incay, incay),
    "MHE": FeatureCase(partial(by_name, cones.MHE), mhe),
    "RegularFace": FeatureCase(partial(by_name, cones.RegularFace), regular_face),
    "RingLoss": FeatureCase(partial(by_name, cones.RingLoss, radius=2.0), ring),
    "TripletAgents": FeatureCase(partial(by_name, cones.TripletAgents), triplet_agents),
    "UNPG": FeatureCase(partial(by_name, cones.UNPG, scale=8.0), unpg),
    "VPL": FeatureCase(call_vpl, vpl),
}
