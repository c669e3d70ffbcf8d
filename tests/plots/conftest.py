"""Small runs on disk, as the trainer writes them."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cones.margins import ArcFace, Margin
from tests.plots.clusters import clusters

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Writes a run's folder and returns it."""

    def write(
        name: str = "arcface",
        *,
        margin: Margin | None = None,
        dims: int = 2,
        bias: bool = False,
        summary: dict[str, object] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        run = tmp_path / name
        run.mkdir()
        margin = margin or ArcFace(margin=0.3, scale=16.0)
        train, weight = clusters(60, dims)
        test, _ = clusters(20, dims, seed=1)
        tensors = {
            "train_features": train.features,
            "train_labels": train.labels,
            "test_features": test.features,
            "test_labels": test.labels,
            "weight": weight,
        }
        if bias:
            tensors["bias"] = torch.tensor([0.5, 0.0, 0.0, -0.5])
        words = {
            "objective": repr(margin),
            "in_force": repr(margin),
            "margin": repr(margin),
            "classes": json.dumps(["0", "1", "2", "3"]),
        }
        save_file(tensors, run / "features.safetensors", words | (metadata or {}))
        numbers = {
            "name": name,
            "objective": repr(margin),
            "train_accuracy": 0.99,
            "test_accuracy": 0.9765,
            "seconds": 75.4,
            "images_per_second": 9312.5,
            "parameters": 431234,
            "data": "mnist5k",
            "geometry": {
                "mean_intra_angle": 0.1,
                "mean_inter_angle": 1.7,
                "min_inter_angle": math.pi / 6,
                "fisher_ratio": 12.5,
                "angular_fisher_score": 0.0123,
                "mean_norm": 20.0,
            },
            "train_geometry": {"confident_share": 0.75},
            "confident_gradient": 0.00042,
        }
        (run / "summary.json").write_text(json.dumps(numbers | (summary or {})))
        (run / "config.toml").write_text('loss = "ArcFace & <friends>"\n')
        lines = [
            {"kind": "train", "step": s, "epoch": s / 10, "loss": 2 / (1 + s), "accuracy": s / 30, "target_cosine": 0.5}
            | {"learning_rate": 0.1, "margin": {"margin": 0.01 * s, "scale": 16.0}, "terms": {"CenterLoss": 1.0}}
            for s in range(30)
        ] + [{"kind": "test", "step": 29, "epoch": 3, "train_accuracy": None, "accuracy": 0.9}]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return run

    return write
