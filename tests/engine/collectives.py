"""Counting the collectives of torch.distributed that a function calls, forward and backward."""

from collections import Counter
from contextlib import contextmanager
from unittest.mock import patch

import torch.distributed as dist

NAMES = [
    name
    for name in dir(dist)
    if name.startswith(("all_", "reduce", "broadcast", "gather", "scatter", "send", "recv", "isend", "irecv", "batch_"))
    and callable(getattr(dist, name))
]


@contextmanager
def counted_collectives():
    """Yields a Counter of the collectives that are called, by name."""
    counts: Counter[str] = Counter()

    def counting(name, function):
        def call(*arguments, **options):
            counts[name] += 1
            return function(*arguments, **options)

        return call

    with patch.multiple(dist, **{name: counting(name, getattr(dist, name)) for name in NAMES}):
        yield counts
