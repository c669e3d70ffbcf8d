"""Progress of a long evaluation, told to the caller."""

from typing import Protocol


class Progress(Protocol):
    """A callable that is told how much of a stage is done, in the main thread, often."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take `done` of `total` steps of the stage, such as ("pairs", 3, 55)."""
        ...


def silent(stage: str, done: int, total: int, /) -> None:
    """Take no notice."""
