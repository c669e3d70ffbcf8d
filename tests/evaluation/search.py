"""Search written out in NumPy: one pair at a time, whole orders, no blocks."""

import numpy as np


def scores(x: np.ndarray, y: np.ndarray, similarity: str = "cosine") -> np.ndarray:
    """Scores (N, M) on the stated grid: 2⁻²⁶ of a unit vector, 2⁻²⁵ of a power of two above the longest row."""
    if similarity == "cosine":
        x, y = (np.round(unit(a) * 2**26) / 2**26 for a in (x, y))
        return np.array([[min(1.0, max(-1.0, float((a * b).sum()))) for b in y] for a in x]).reshape(len(x), len(y))
    longest = max([0.0, *np.linalg.norm(x, axis=1), *np.linalg.norm(y, axis=1)])
    length = 2.0 ** np.frexp(longest)[1]
    x, y = (np.round(a / length * 2**25) / 2**25 for a in (x, y))
    pairs = [[-float(((a - b) ** 2).sum()) for b in y] for a in x]
    return np.asarray(-np.sqrt(-np.array(pairs)).reshape(len(x), len(y)) * length)


def unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    largest = np.abs(x).max(axis=1, keepdims=True)
    x = np.divide(x, largest, out=np.zeros_like(x), where=largest > 0)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(np.divide(x, norm, out=np.zeros_like(x), where=norm > 0))


def order(row: np.ndarray) -> list[int]:
    """Places of a row, largest score first, ties by place."""
    return sorted(range(len(row)), key=lambda j: (-row[j], j))
