"""Inputs of every formula, in float64 NumPy, independent of the package.

N rows, D dims, K classes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

PI = np.pi


@dataclass(frozen=True)
class Given:
    """One problem: a loss's fields and running numbers, features (N, D), weight (K, D), labels (N,), bias (K,)."""

    fields: dict[str, Any]
    x: np.ndarray
    w: np.ndarray
    y: np.ndarray
    b: np.ndarray | None = None
    statistics: dict[str, Any] | None = None

    @cached_property
    def rows(self):
        return np.arange(len(self.x))

    @cached_property
    def x_norm(self):
        return np.linalg.norm(self.x, axis=1)

    @cached_property
    def w_norm(self):
        return np.linalg.norm(self.w, axis=1)

    @cached_property
    def unit_x(self):
        return _unit(self.x, self.x_norm)

    @cached_property
    def unit_w(self):
        return _unit(self.w, self.w_norm)

    @cached_property
    def cosine(self):
        """(N, K); a zero vector has cosine 0."""
        return np.clip(self.unit_x @ self.unit_w.T, -1, 1)

    @cached_property
    def own(self):
        """(N,) cosine to the own class."""
        return self.cosine[self.rows, self.y]

    @cached_property
    def theta(self):
        """(N,) angle to the own class."""
        return np.arccos(self.own)

    @cached_property
    def is_own(self):
        """(N, K), True in each row's own column."""
        return np.arange(len(self.w)) == self.y[:, None]

    def field(self, name):
        """A field of the loss; where it has one number per class, (N,) those of the rows."""
        value = self.fields[name]
        return np.asarray(value)[self.y] if isinstance(value, tuple) else value

    def logits(self, others, own):
        """(N, K) logits: others (N, K) with own (N,) in the own column, and the bias."""
        z = np.where(self.is_own, np.asarray(own)[:, None], others)
        return z if self.b is None else z + self.b


def cross_entropy(given, others, own):
    """(N,) losses: logsumexp of a row's logits less its own."""
    z = given.logits(others, own)
    top = z.max(axis=1)
    return top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[given.rows, given.y]


def softplus(x):
    """log(1 + exp(x)), right at every size."""
    return np.logaddexp(0, x)


def psi(theta, m):
    """The monotone cos(m theta) of L-Softmax."""
    k = np.clip(np.floor(m * theta / PI), 0, np.ceil(m) - 1)
    return (-1) ** k * np.cos(m * theta) - 2 * k


def folded(phase, last):
    """cos(phase) made to go on falling past every multiple of pi, `last` times at most."""
    k = np.clip(np.floor(phase / PI), 0, last)
    return (-1) ** k * np.cos(phase) - 2 * k


def _unit(vectors, norm):
    return np.divide(vectors, norm[:, None], out=np.zeros_like(vectors), where=norm[:, None] > 0)
