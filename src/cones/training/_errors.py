"""Errors of the trainer."""


class TrainingError(RuntimeError):
    """A run cannot start or go on; its last checkpoint is as it was."""
