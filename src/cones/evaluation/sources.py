"""Images and names of evaluated rows, as reports take them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

SubjectNames = Sequence[str] | Mapping[int, str]
"""`names[label]` is the subject's name."""


class Images(Protocol):
    """Images by row: a (N, C, H, W) tensor, or a data set that reads them from files."""

    def __getitem__(self, row: int, /) -> Tensor: ...
