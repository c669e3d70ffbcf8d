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


KINDS = {"all_to_all_single": ("all-to-all", 1), "all_gather": ("all-gather", 1), "all_reduce": ("all-reduce", 0)}
"""Kind of each collective that the engine calls, and the position of the tensor that a rank passes to it."""


@contextmanager
def recorded_bytes():
    """Yields a list of (kind, bytes passed) of the collectives that are called, in their order."""
    calls: list[tuple[str, int]] = []

    def recording(name, function):
        kind, position = KINDS[name]

        def call(*arguments, **options):
            calls.append((kind, arguments[position].nbytes))
            return function(*arguments, **options)

        return call

    with patch.multiple(dist, **{name: recording(name, getattr(dist, name)) for name in KINDS}):
        yield calls
