"""The best scores of each row with its own class and with all others, from which ranks are counted."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..progress import Progress, silent
from ..similarity import Score, block_sides, slices


@dataclass(frozen=True)
class Best:
    """Scores of a block of rows, largest first, filled up with -inf.

    Attributes:
        rows: of the queries.
        own: (n, P) with the gallery's rows of the same class.
        others: (n, R) with the rows, or with the best rows of each class, of other classes.
    """

    rows: slice
    own: Tensor
    others: Tensor

    def ranks(self) -> Tensor:
        """Rank of each own score, (n, P): its place among the own plus the others that are as large or larger.

        A tie with another class counts against the own one. Right up to rank R; above it R + 1 or more.
        """
        ascending = self.others.flip(1).contiguous()
        smaller = torch.searchsorted(ascending, self.own.contiguous())
        place = torch.arange(1, self.own.shape[1] + 1, device=self.own.device)
        return place + self.others.shape[1] - smaller


def best_scores(
    measure: Score,
    queries: Tensor,
    query_classes: Tensor,
    gallery: Tensor,
    gallery_classes: Tensor,
    *,
    own: int,
    others: int,
    exclude_self: bool = False,
    by_class: bool = False,
    block: int,
    stage: str = "",
    progress: Progress = silent,
) -> Iterator[Best]:
    """Best scores of blocks of queries.

    Args:
        measure: the score.
        queries: (Q, D).
        query_classes: (Q,); -1 where the gallery has no row of the class.
        gallery: (M, D); sorted by class for `by_class`.
        gallery_classes: (M,) 0 or more.
        own: P, number of scores of the own class to keep.
        others: R, number of scores of the others to keep.
        exclude_self: query i and row i of the gallery are the same sample.
        by_class: a class counts once, with its best row.
        block: approximate number of numbers held at once; a class of `by_class` is not cut.
        stage: name of the stage in progress reports.
        progress: reports the queries that are done.
    """
    rows, columns = block_sides(gallery, block, width=2 * max(own, others))
    pieces = list(_whole_classes(gallery_classes, columns) if by_class else slices(len(gallery), columns))
    rows = max(1, min(rows, block // max((piece.stop - piece.start for piece in pieces), default=1)))
    numbers = torch.arange(len(gallery), device=gallery.device)
    for row in slices(len(queries), rows):
        x, classes = measure.vectors(queries[row]), query_classes[row, None]
        mates = rivals = x.new_empty(len(x), 0)
        for piece in pieces:
            values, here = measure.scores(x, measure.vectors(gallery[piece])), gallery_classes[piece]
            if by_class:
                values, here = _class_maxima(values, here)
            same = classes == here
            rivals = _keep(rivals, values.masked_fill(same, -torch.inf), others)
            if exclude_self:
                same &= numbers[row, None] != numbers[piece]
            mates = _keep(mates, values.masked_fill_(~same, -torch.inf), own)
        yield Best(row, _fill(mates, own), _fill(rivals, others))
        progress(stage, row.stop, len(queries))


def _keep(best: Tensor, values: Tensor, count: int) -> Tensor:
    """The `count` largest of both, largest first."""
    if 8 * count < values.shape[1]:
        values = values.topk(count).values  # selecting few of many is faster than copying all
    both = torch.cat([best, values], 1)
    return both.topk(min(count, both.shape[1])).values


def _fill(best: Tensor, count: int) -> Tensor:
    return torch.nn.functional.pad(best, (0, count - best.shape[1]), value=-torch.inf)


def _class_maxima(values: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The largest score with each class, and the classes; `classes` is sorted."""
    here, place = classes.unique_consecutive(return_inverse=True)
    if len(here) == len(classes):
        return values, classes
    maxima = values.new_full((len(values), len(here)), -torch.inf)
    return maxima.scatter_reduce_(1, place.expand(values.shape), values, "amax"), here


def _whole_classes(classes: Tensor, step: int) -> Iterator[slice]:
    """Pieces of about `step` rows that cut no class; `classes` is sorted."""
    ends = classes.unique_consecutive(return_counts=True)[1].cumsum(0).tolist()
    start = 0
    for end, after in zip(ends, [*ends[1:], None], strict=True):
        if after is None or after - start > step:
            yield slice(start, end)
            start = end
