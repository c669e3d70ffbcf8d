"""Settings, data and versions that all ranks of a run must have alike."""

from dataclasses import asdict
from typing import Any

import torch

from .. import __version__
from ..data import Splits
from ._fingerprint import fingerprints
from ._run import Run

EACH_ITS_OWN = ("device", "threads", "tensorboard", "trust", "channels_last")
"""Fields of a run that may differ between ranks."""


def settings_of(run: Run, splits: Splits) -> dict[str, Any]:
    """By name, the settings of a run, its data in short, and the versions of the libraries."""
    settings = {name: value for name, value in asdict(run).items() if name not in EACH_ITS_OWN}
    for side, short in fingerprints(splits).items():
        names = short.pop("classes")
        settings |= {f"the number of classes of {side}": len(names)}
        settings |= {f"the {name} of {side}": value for name, value in short.items()}
    return {**settings, "the version of cones": __version__, "the version of torch": torch.__version__}
