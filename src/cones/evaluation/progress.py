"""Progress reports of a long evaluation."""

from typing import Protocol


class Progress(Protocol):
    """A callback for the progress of a stage, called often, in the main thread."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that `done` of `total` steps of the stage are done, such as ("pairs", 3, 55)."""
        ...


def silent(stage: str, done: int, total: int, /) -> None:
    """Ignore the progress."""
