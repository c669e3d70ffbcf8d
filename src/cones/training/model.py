"""The backbone and the loss of a run, and the device they are on."""

import torch
from torch import Tensor, nn

from ..backbones import build
from ..data import Dataset
from ..engine.ranks import Group
from ._errors import TrainingError
from ._joint import JointLoss, build_loss
from ._run import Run
from .batches import lies_channels_last, to_input
from .data import counts_of


def build_model(run: Run, train: Dataset, group: Group = None) -> tuple[nn.Module, JointLoss]:
    """Backbone and joint loss of a run, drawn from its seed; with a process group its ranks share the classes.

    Raises:
        TrainingError: the backbone does not return one vector per row.
    """
    torch.manual_seed(run.seed)
    backbone, dim = build_backbone(run, train.inputs[:2], trust=run.trust)
    loss = build_loss(run, counts_of(train), dim, group)
    return backbone, loss.double() if run.precision == "float64" else loss


def build_backbone(run: Run, samples: Tensor, *, trust: bool) -> tuple[nn.Module, int]:
    """Backbone of a run, drawn from PyTorch's random numbers as they stand and tried on a few samples, and its D.

    Raises:
        TrainingError: the backbone does not return one vector per row.
    """
    shape = samples.shape[1:]
    backbone = build(run.backbone, shape, run.with_feature_dim().feature_dim, run.width, trust=trust)
    if run.precision == "float64":
        backbone = backbone.double()
    if lies_channels_last(run):
        backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = torch.get_rng_state()
    with torch.no_grad():
        try:
            features = backbone.eval()(to_input(samples, run))
        except RuntimeError as error:
            raise TrainingError(
                f"backbone {run.backbone} cannot take inputs of shape {tuple(shape)}: {error}"
            ) from error
    torch.set_rng_state(state)
    if not isinstance(features, Tensor) or features.dim() != 2:
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise TrainingError(f"backbone {run.backbone} returned {got}, expected one vector per row, (N, D)")
    return backbone, features.shape[1]


def pick_device(name: str) -> torch.device:
    """The device by name; "auto" is a GPU where there is one.

    Raises:
        TrainingError: the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device is {name!r}, which is not available here ({error}): use cpu or auto") from None
    return device
