"""Results of a run for figures and tables: features of both sides, and a summary."""

import json
from contextlib import suppress
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..common.atomic_files import write_text
from ..common.run_features import RunFeatures, Side, write_run_features
from ..common.run_folder import CONFIG, FEATURES, LAST, METRICS, SUMMARY, read_metrics, read_summary
from ..data import Dataset
from ..engine.similarity import cross_entropy_of
from ..engine.softmax import margin_softmax
from ..evaluation import geometry
from ..margins import Margin, written
from ._joint import JointLoss
from ._run import Run, read_run, refuse_code
from .checkpoint import load_weights
from .data import Data, counts_of, read_same_data
from .features import features_of
from .model import build_model, pick_device
from .validation import summarised

AT_MOST = 20_000
"""Rows of each side whose features are written: enough to draw."""


def write_results(
    folder: str | PathLike[str],
    *,
    name: str | None = None,
    data: Data | None = None,
    data_folder: Path | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Write features.safetensors and summary.json of a run from its last checkpoint.

    Features are taken in float32 at least, whatever precision the run trained in.

    Args:
        folder: of the run.
        name: what pictures call it; None for the folder's name.
        data: as of `fit`, where it was passed.
        data_folder: where named data sets are kept; None for the usual place.
        trust: whether code of one's own that the folder's config.toml names may be imported.

    Returns:
        the summary.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
        TrainingError: the data have changed since.
        FileNotFoundError, ValueError: the configuration or the data are missing or broken.
        TrustError: the configuration names code of one's own, and trust is False.
    """
    folder = Path(folder)
    run = read_run(folder / CONFIG, trust=trust)
    if not trust:
        refuse_code(folder / CONFIG, {"loss": run.loss, "backbone": run.backbone})
    splits = read_same_data(folder, data_folder, data)
    closed = splits.kind != "identity"  # test has the classes of train
    backbone, loss = build_model(run, splits.train)
    position = load_weights(folder / LAST, backbone, loss)
    device = pick_device(run.device)
    backbone, loss = backbone.to(device), loss.to(device).eval()
    objective = run.objective.for_counts(counts_of(splits.train))
    loss.head.margin = objective.margin_at(max(position.step, 1))
    margin = _with_plain_scale(loss.head.margin_in_force())

    train = features_of(backbone, splits.train.inputs, device, run)
    test = features_of(backbone, splits.test.inputs, device, run)
    logits = loss.head.logits(train.to(device)).float().cpu()
    weight, bias = loss.head.weight.detach().float().cpu(), loss.head.bias
    contents = RunFeatures(
        train=_some_rows(train, splits.train.labels),
        test=_some_rows(test, splits.test.labels),
        weight=weight,
        # one number for all classes in a loss of K binary problems
        bias=None if bias is None else bias.detach().float().cpu().expand(len(weight)),
        margin=written(margin),
        objective=str(run.objective),
        in_force=" + ".join([written(margin), *(str(term) for term in run.objective.terms)]),
        classes=splits.train.classes,
        test_classes=splits.test.classes,
    )
    write_run_features(folder / FEATURES, contents)

    lines = read_metrics(folder / METRICS, cut_short=True)
    rates = [line["images_per_second"] for line in lines if "images_per_second" in line]
    summary = {
        "name": name or folder.name,
        "objective": str(run.objective),
        "margin": written(margin),
        "data": run.data,
        "train_accuracy": _accuracy(loss, train, splits.train),
        "test_accuracy": _accuracy(loss, test, splits.test) if closed else None,
        "validation": summarised(lines, position),
        "seconds": position.seconds,
        "images_per_second": median(rates) if rates else None,
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "step": position.step,
        "epoch": position.epoch,
        "finished": position.epoch == run.epochs,
        "geometry": _geometry(test, splits.test.labels, weight if closed else None),
        "train_geometry": _geometry(train, splits.train.labels, weight, logits),
        "confident_gradient": _confident_gradient(loss, margin, train, splits.train.labels, logits),
    }
    write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return summary


def finished_results(folder: Path, name: str, run: Run) -> dict[str, Any] | None:
    """Return the summary of a run that is trained to its end and whose results are no older than its checkpoint."""
    files = [folder / FEATURES, folder / SUMMARY]
    if not all(path.is_file() for path in [folder / LAST, *files]):
        return None
    trained = (folder / LAST).stat().st_mtime_ns
    if any(path.stat().st_mtime_ns < trained for path in files):
        return None
    with suppress(ValueError):  # a broken summary is written again
        summary = read_summary(folder / SUMMARY)
        whole = {"name", "step", "epoch", "test_accuracy"} <= summary.keys()
        if whole and summary["name"] == name and summary["epoch"] == run.epochs and summary.get("finished") is True:
            return summary
    return None


def _some_rows(features: Tensor, labels: Tensor) -> Side:
    """All rows, or AT_MOST of them at equal distances."""
    rows = torch.linspace(0, len(labels) - 1, min(len(labels), AT_MOST)).round().long()
    return Side(features[rows], labels[rows])


def _geometry(
    features: Tensor, labels: Tensor, weight: Tensor | None, logits: Tensor | None = None
) -> dict[str, float | None] | None:
    """The numbers of `geometry`; None for one class, which has no angle to another."""
    several = bool((labels != labels[0]).any())
    return asdict(geometry(features, labels, weight, logits)) if several else None


def _accuracy(loss: JointLoss, features: Tensor, dataset: Dataset) -> float:
    right = loss.predict(features.to(loss.head.weight.device)).cpu() == dataset.labels
    return right.double().mean().item()


@torch.no_grad()
def _confident_gradient(
    loss: JointLoss, margin: Margin, features: Tensor, labels: Tensor, logits: Tensor
) -> float | None:
    """Gradient that rows with p_y > 0.99 still get from the training loss: mean of 1 - exp(-loss_i).

    That is the size of d loss_i / d t_i. Without a margin it is 1 - p_y, less than 0.01; a margin keeps it up. None
    where there is no such row, or the loss is no cross entropy.
    """
    confident = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1) > 0.99
    if not cross_entropy_of(margin) or not bool(confident.any()):
        return None
    head = loss.head
    losses = margin_softmax(
        features[confident],
        head.weight.cpu(),
        labels[confident],
        margin,
        bias=None if head.bias is None else head.bias.cpu(),
        statistics={name: number.cpu() for name, number in head.statistics().items()},
    )
    return (1 - (-losses.double()).exp()).mean().item()


def _with_plain_scale(margin: Margin) -> Margin:
    """The margin with a learnt scale as a number, so that its repr can be read back."""
    return replace(margin, scale=margin.scale.item()) if isinstance(margin.scale, Tensor) else margin  # type: ignore[call-arg]
