"""The pairs that are hardest to tell, as images: where wrong labels and bad images are found first."""

# k pairs, H and W pixels.

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ...evaluation import VerificationDetails
from .._palette import GENUINE, IMPOSTOR, MUTED
from .._style import bare, new_figure, style
from .._text import literal, number, shorten

MOST = 12
WIDTH, TALLEST = 1.8, 1.6  # inches of a pair, and of the tallest image
GAP = 0.04  # between the images of a pair, in heights
LETTERS = 15


class Images(Protocol):
    """Anything that gives the image of a row: a (N, C, H, W) tensor, or a data set that reads it from a file."""

    def __getitem__(self, row: int, /) -> Tensor: ...


def hard_pairs_figure(
    details: VerificationDetails, images: Images, names: Sequence[str] | None = None, *, columns: int = 6
) -> Figure:
    """Show the genuine pairs with the lowest scores and the impostor pairs with the highest, at most 12 of each.

    Over each pair stand its score and what the threshold makes of it.

    Args:
        details: of a verification.
        images: `images[row]` is the (C, H, W) uint8 image of a row of the evaluated embeddings, with 1 or 3 channels.
        names: (N,) a name for each of these rows, written under its image.
        columns: pairs in a line.

    Returns:
        The figure, to be written by `save`.

    Raises:
        ValueError: for no pairs, rows without an image or name, or images of another type or shape.
    """
    if columns < 1:
        raise ValueError(f"columns is {columns}, expected 1 or more")
    blocks = _blocks(details, images, names)
    if not blocks:
        raise ValueError("details has no hard pairs, expected rows in hard_genuine or hard_impostors")
    columns = min(columns, max(len(block.pairs) for block in blocks))
    lines = [math.ceil(len(block.pairs) / columns) for block in blocks]
    tallest = max((WIDTH - 0.1) / pair.width for block in blocks for pair in block.pairs)
    line = min(tallest, TALLEST) + (0.3 if names is None else 0.42)
    with style():
        figure = new_figure(max(WIDTH * columns, 3.6), line * sum(lines) + 0.3 * len(blocks))
        parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=lines).flatten()
        for part, count, block in zip(parts, lines, blocks, strict=True):
            part.suptitle(block.title, x=0.01, ha="left", color=block.color, fontsize=9.5, fontweight="bold")
            spots = part.subplots(count, columns, squeeze=False).flatten()
            for axes in spots:
                bare(axes)
            for axes, pair in zip(spots, block.pairs, strict=False):
                verdict = "accepted" if pair.score >= details.threshold else "rejected"
                axes.set_title(f"{number(pair.score)}, {verdict}", loc="center", fontsize=8, fontweight="normal", pad=3)
                _draw_pair(axes, pair, block.color)
    return figure


@dataclass(frozen=True)
class _Pair:
    """Two images (H, W, 3) uint8 of a score, with their names, "" without."""

    score: float
    pictures: tuple[np.ndarray, np.ndarray]
    names: tuple[str, str]

    @property
    def width(self) -> float:
        """Of both images at height 1, with the gap between them."""
        first, second = self.pictures
        return float(first.shape[1] / first.shape[0] + second.shape[1] / second.shape[0] + GAP)


@dataclass(frozen=True)
class _Block:
    """The pairs of one kind, under a title of its colour."""

    title: str
    color: str
    pairs: list[_Pair]


def _blocks(details: VerificationDetails, images: Images, names: Sequence[str] | None) -> list[_Block]:
    """The kinds of pairs that are there."""
    kinds = (
        ("genuine pairs with the lowest scores", GENUINE, details.hard_genuine, details.hard_genuine_scores),
        ("impostor pairs with the highest scores", IMPOSTOR, details.hard_impostors, details.hard_impostor_scores),
    )
    blocks = []
    for title, color, rows, scores in kinds:
        hardest = zip(rows[:MOST].tolist(), scores[:MOST].tolist(), strict=True)
        blocks.append(_Block(title, color, [_pair(both, score, images, names) for both, score in hardest]))
    return [block for block in blocks if block.pairs]


def _pair(rows: Sequence[int], score: float, images: Images, names: Sequence[str] | None) -> _Pair:
    first, second = rows
    return _Pair(score, (_pixels(images, first), _pixels(images, second)), (_name(names, first), _name(names, second)))


def _draw_pair(axes: Axes, pair: _Pair, color: str) -> None:
    """Both images at one height, side by side, over their names."""
    left = 0.0
    for picture, name in zip(pair.pictures, pair.names, strict=True):
        width = picture.shape[1] / picture.shape[0]
        axes.imshow(picture, extent=(left, left + width, 0, 1))
        axes.add_patch(Rectangle((left, 0), width, 1, fill=False, edgecolor=color, linewidth=0.8))
        short = literal(shorten(name, LETTERS))
        axes.text(left + width / 2, -0.05, short, ha="center", va="top", fontsize=6, color=MUTED)
        left += width + GAP
    axes.set_xlim(-0.01, pair.width + 0.01)
    axes.set_ylim(-0.01, 1.01)


def _pixels(images: Images, row: int) -> np.ndarray:
    """The image of a row, (H, W, 3) uint8."""
    try:
        image = images[row]
    except LookupError as error:
        raise ValueError(
            f"images has none at row {row}, which details names: expected one for each evaluated embedding, in order"
        ) from error
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.dtype != torch.uint8:
        raise ValueError(
            f"images[{row}] is {image.dtype} of shape {tuple(image.shape)}, expected uint8 (C, H, W) with C 1 or 3: "
            "multiply floats in 0..1 by 255, and put the channels first"
        )
    return np.asarray(image.detach().cpu().expand(3, -1, -1).permute(1, 2, 0).numpy())


def _name(names: Sequence[str] | None, row: int) -> str:
    if names is None:
        return ""
    try:
        return names[row]
    except LookupError as error:
        raise ValueError(f"names has {len(names)} entries, but details names row {row}: expected one a row") from error
