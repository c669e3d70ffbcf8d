"""Losses of other libraries: the originals if they can be run here, else their formulas in plain PyTorch.

N rows, K classes, D dims. Weights are passed as (K, D), however a library stores them. Formulas are derived from the
library's documentation and source, as in `cones.migrate.formulas`, and labelled as such on the page.
"""

import importlib.metadata
import importlib.util
import math
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PML = "pytorch-metric-learning"
OML = "open-metric-learning"


def version(package: str) -> str | None:
    """Of a package, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def pml_loss(name: str, weight: Tensor, **settings: Any) -> nn.Module:
    """A loss of pytorch-metric-learning over a copy of weight (K, D); it returns (N,) losses in a dictionary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own use of NumPy
        from pytorch_metric_learning import losses
        from pytorch_metric_learning.reducers import DoNothingReducer

        sizes = {"num_classes": len(weight), "embedding_size": weight.shape[1]}
        loss: nn.Module = getattr(losses, name)(**sizes, reducer=DoNothingReducer(), **settings)
    loss.W = nn.Parameter(weight.detach().T.contiguous())
    return loss


def pml_losses(loss: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(N,) losses of what `pml_loss` returned."""
    losses: Tensor = loss(x, y)["loss"]["losses"]
    return losses


def oml_loss(weight: Tensor, m: float = 0.5, s: float = 64.0) -> nn.Module:
    """ArcFaceLoss of open-metric-learning over a copy of weight (K, D); it returns (N,) losses.

    Its file is run alone: the package as a whole wants torchvision and NumPy below 2, ArcFaceLoss neither.
    """
    found = importlib.util.find_spec("oml")
    assert found is not None, f"{OML} is not installed"
    assert found.submodule_search_locations is not None
    stand_in = types.ModuleType("torchvision.ops")
    vars(stand_in)["MLP"] = None
    before = {name: sys.modules.get(name) for name in ("torchvision", "torchvision.ops")}
    sys.modules |= {"torchvision": types.ModuleType("torchvision"), "torchvision.ops": stand_in}
    try:
        path = Path(found.submodule_search_locations[0]) / "losses" / "arcface.py"
        spec = importlib.util.spec_from_file_location("oml_arcface", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
    loss: nn.Module = module.ArcFaceLoss(weight.shape[1], len(weight), m=m, s=s, reduction="none")
    loss.weight = nn.Parameter(weight.detach().clone())
    return loss


def has_oml() -> bool:
    """Tell whether `oml_loss` can be run."""
    return version(OML) is not None and importlib.util.find_spec("oml") is not None


def insightface_target(cosine: Tensor, m1: float, m2: float, m3: float) -> Tensor:
    """The own class's logit (N,) of insightface's CombinedMarginLoss at scale 1.

    m1 = 1, m3 = 0: cos(theta + m2), with the derivative of cos(theta). m3 > 0: cos(theta) - m3, whatever m1 and m2.
    """
    if m1 == 1.0 and m3 == 0.0:
        return cosine + ((cosine.detach().acos() + m2).cos() - cosine.detach())
    if m3 > 0:
        return cosine - m3
    raise RuntimeError("No active exception to reraise")


def insightface_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of insightface's DistCrossEntropy; a label of -1 stands for a class of another rank.

    -log(max(p_y, 1e-30)), with p_y = 0 where no rank has the class.
    """
    p = logits.softmax(dim=1)
    own = torch.where(labels >= 0, p.gather(1, labels.clamp(min=0)[:, None]).squeeze(1), 0)
    return -own.clamp(min=1e-30).log().mean()


def opensphere_losses(x: Tensor, weight: Tensor, y: Tensor, bend: str, m: float, s: float) -> Tensor:
    """(N,) losses of opensphere's heads over weight (K, D), which each forward overwrites by its unit rows.

    z_y = s * "arc" cos(min(theta + m, pi)), "cos" cos(theta) - m, "sphere" psi(theta) with a real m, "coco" cos(theta);
    the derivative of each is that of cos(theta), and that by a row of weight does not go through its norm.
    """
    with torch.no_grad():
        weight.copy_(F.normalize(weight))
    cosine = F.normalize(x) @ weight.T
    own = cosine.gather(1, y[:, None])
    theta = own.detach().clamp(-1 + 1e-5, 1 - 1e-5).acos()
    k = (m * theta / math.pi).floor()
    value = {
        "arc": (theta + m).clamp(max=3.14159).cos(),
        "cos": own.detach() - m,
        "sphere": (1 - 2 * (k % 2)) * (m * theta).cos() - 2 * k,
        "coco": own.detach(),
    }[bend]
    bent = own + (value - own.detach())
    return F.cross_entropy(s * cosine.scatter(1, y[:, None], bent), y, reduction="none")


def quaterion_cosface(cosine: Tensor, labels: Tensor, m: float, s: float) -> Tensor:
    """The mean loss of quaterion's CosFaceLoss: z_y = s cos(cos(theta_y) - m), z_j = s cos(cos(theta_j))."""
    own = F.one_hot(labels, cosine.shape[1])
    return F.cross_entropy(s * (cosine - m * own).cos(), labels)
