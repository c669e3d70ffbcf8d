"""What a finished run leaves behind: features of both sides, and a summary."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..data import Dataset
from ..evaluation import geometry
from ..files import replacing, write_text
from ..softmax import logits
from ._checkpoint import load_weights
from ._loop import LAST, build_model, extract, pick_device, read_data
from ._metrics import read_metrics
from ._run import read_run

AT_MOST = 20_000
"""Rows of each side whose features are written: enough to draw, and 160 kB for two dimensions."""


def write_results(folder: Path, *, name: str | None = None, data_folder: Path | None = None) -> dict[str, Any]:
    """Write features.safetensors and summary.json of a run from its last checkpoint.

    Args:
        folder: of the run.
        name: what pictures call it; None for the folder's name.
        data_folder: where named data sets are kept; None for the usual place.

    Returns:
        the summary.

    Raises:
        CheckpointError: the checkpoint is missing or broken.
        FileNotFoundError, ValueError: the configuration or the data are.
    """
    run = read_run(folder / "config.toml")
    splits = read_data(run, data_folder)
    device = pick_device(run.device)
    backbone, loss = build_model(run, splits.train)
    position = load_weights(folder / LAST, backbone, loss)
    backbone, loss = backbone.to(device), loss.to(device).eval()
    loss.head.margin = run.objective.margin_at(max(position.step, 1))
    tensors: dict[str, torch.Tensor] = {"weight": loss.head.weight.detach().float().cpu()}
    if loss.head.bias is not None:
        tensors["bias"] = loss.head.bias.detach().float().cpu()
    margin = loss.head.margin_in_force()
    plain = type(margin)(**{**vars(margin), "scale": float(margin.scale)}) if loss.head.scale is not None else margin
    exact = read_exactly(run)
    accuracies: dict[str, float | None] = {}
    for side, dataset in (("train", splits.train), ("test", splits.test)):
        blocks = list(extract(backbone, dataset, device, run=exact))
        features = torch.cat([x for x, _ in blocks]).float().cpu()
        closed = side == "train" or splits.kind != "identity"
        accuracies[side] = _accuracy(features, dataset, tensors, plain) if closed else None
        rows = torch.linspace(0, len(dataset) - 1, min(len(dataset), AT_MOST)).round().long()
        tensors[f"{side}_features"], tensors[f"{side}_labels"] = features[rows], dataset.labels[rows]
    metadata = {
        "objective": str(run.objective),
        "margin": repr(plain),
        "classes": json.dumps(splits.train.classes),
        "test_classes": json.dumps(splits.test.classes),
    }
    with replacing(folder / "features.safetensors") as aside:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, aside, metadata)
    closed_set = splits.kind != "identity"
    shapes = geometry(
        tensors["test_features"],
        tensors["test_labels"],
        weight=tensors["weight"] if closed_set else None,
        logits=logits(tensors["test_features"], tensors["weight"], plain, bias=tensors.get("bias"))
        if closed_set
        else None,
    )
    rates = [line["images_per_second"] for line in read_metrics(folder / "metrics.jsonl") if line["kind"] == "train"]
    summary = {
        "name": name or folder.name,
        "objective": str(run.objective),
        "margin": repr(plain),
        "data": run.data,
        "train_accuracy": accuracies["train"],
        "test_accuracy": accuracies["test"],
        "seconds": position.seconds,
        "images_per_second": sorted(rates)[len(rates) // 2] if rates else None,
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "step": position.step,
        "epoch": position.epoch,
        "finished": position.epoch == run.epochs,
        "geometry": asdict(shapes),
    }
    write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary
