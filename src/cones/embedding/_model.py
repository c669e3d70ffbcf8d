import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ..common.regular_file import not_a_file
from ..common.run_folder import BEST, CONFIG, INPUT, LAST
from ..training import Position, Run, read_run, refuse_code
from ..training.checkpoint import load_weights_of
from ..training.data import read_data
from ..training.input import Input, input_of, read_input
from ..training.model import build_backbone, pick_device

Which = Literal["last", "best"]
_FILES = {"last": LAST, "best": BEST}


@dataclass(frozen=True, eq=False)
class Model:
    """The backbone of a run in evaluation mode, with its input.

    Attributes:
        run: how it was trained.
        input: the shape of one sample; images are uint8 pixels, vectors float32.
        backbone: from (N, *shape), in the run's precision and range, to (N, D).
        dim: D.
        folder: of the run.
        weights: the file that the weights are from; of a run on many processes the index of its checkpoint.
        position: where the run stood.
        device: where the backbone is.
    """

    run: Run
    input: Input
    backbone: nn.Module
    dim: int
    folder: Path
    weights: Path
    position: Position
    device: torch.device

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.input.shape))
        return f"Model({self.run.backbone}, {shape} to {self.dim}, epoch {self.position.epoch} of {self.weights})"


def load_backbone(
    folder: str | os.PathLike[str],
    which: Which = "last",
    *,
    device: str = "auto",
    data_folder: Path | None = None,
    trust: bool = False,
) -> Model:
    """Load the backbone of a run; its loss is not needed, and stays text.

    Args:
        folder: of the run.
        which: "last" for the last checkpoint, "best" for the epoch with the best validation, else test accuracy.
        device: cpu, cuda, cuda:1, ...; auto takes a GPU where there is one.
        data_folder: where named data sets are kept; the run's data are read only where its folder has no input.json.
        trust: whether a backbone of one's own, which config.toml names as "package.module:Net", may be imported.

    Returns:
        `Model`, for `embed`.

    Raises:
        FileNotFoundError: the folder holds no run.
        CheckpointError: the weights are missing, broken, or of another model.
        TrainingError: the device is not there.
        TrustError: the backbone is code of one's own, and trust is False.
        ValueError: which is neither, or a file of the run is broken.

    Example:
        model = load_backbone(Path("runs/arcface"))
        features = embed(model, images)
    """
    if which not in _FILES:
        raise ValueError(f"which is {which!r}, expected one of {', '.join(_FILES)}")
    folder = Path(folder)
    if fault := not_a_file(folder / CONFIG):
        raise FileNotFoundError(f"{folder} is not the folder of a run ({fault}): name one that is")
    run = read_run(folder / CONFIG)
    if not trust:
        refuse_code(folder / CONFIG, {"backbone": run.backbone})
    model_input = (
        read_input(folder / INPUT) if (folder / INPUT).exists() else input_of(read_data(run, data_folder).train)
    )
    with torch.random.fork_rng(devices=[]):  # the weights that are drawn here are written over
        backbone, dim = build_backbone(run, torch.zeros(2, *model_input.shape, dtype=model_input.dtype), trust=trust)
    position, weights = load_weights_of(folder / _FILES[which], backbone)
    place = pick_device(device)
    return Model(run, model_input, backbone.eval().to(place), dim, folder, weights, position, place)
