"""Metadata of a graph: the decision and the weights' checksum inside it, and a card for people beside it."""

import json
import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from ..common.expressions import brief
from ..common.regular_file import not_a_file
from ..data import Splits
from ..embedding import Model
from ..evaluation import Decision
from ..evaluation.scores import decision_from_json, decision_to_json, file_sha256

DECISION, MODEL_SHA256 = "decision", "model_sha256"
EXTRA = ("extra", "extra_files")
"""The folder of extra files in an archive of torch.export, now and before PyTorch 2.8."""


def metadata_of(model: Model, decision: Decision) -> dict[str, str]:
    """Return the metadata to keep inside an exported file.

    Raises:
        ValueError: the decision is not one on the embeddings alone, or of other weights.
    """
    sha256 = file_sha256(model.weights)
    if decision.similarity != "cosine" or decision.normalisation != "none":
        raise ValueError(
            f"decision is on the {decision.similarity} with normalisation {decision.normalisation!r}, but an exported "
            'graph gives unit embeddings and no cohort: expected "cosine" and "none"'
        )
    if decision.model_sha256 != sha256:
        raise ValueError(
            f"decision is of the model with sha256 {decision.model_sha256}, but {model.weights} has {sha256}: a "
            "threshold holds for the model it was chosen on; choose one for this model"
        )
    return {DECISION: decision_to_json(decision), MODEL_SHA256: sha256}


def read_metadata(path: str | os.PathLike[str]) -> tuple[Decision, str]:
    """The decision and the checksum of the weights in an exported file; nothing in it is executed.

    Args:
        path: a file that `export_onnx` or `export_program` wrote.

    Returns:
        the decision, and the sha256 of the weights file that was exported.

    Raises:
        ValueError: it was not written by them.
        OSError: it cannot be read.
    """
    path = Path(path)
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}; expected a model, as `cones export` writes it")
    metadata = _of_onnx(path) if path.suffix == ".onnx" else _of_program(path)
    if not metadata.get(DECISION) or not metadata.get(MODEL_SHA256):
        raise ValueError(f"{path} has no decision: export it with `cones export`")
    return decision_from_json(metadata[DECISION], str(path)), metadata[MODEL_SHA256]


def _of_onnx(path: Path) -> dict[str, str]:
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def _of_program(path: Path) -> dict[str, str]:
    # out of the archive itself: torch.export.load would execute what is pickled in it
    try:
        with zipfile.ZipFile(path) as archive:
            extra = [entry for entry in archive.infolist() if PurePosixPath(entry.filename).parent.name in EXTRA]
            return {
                PurePosixPath(entry.filename).name: archive.read(entry).decode()
                for entry in extra
                if entry.file_size < 2**20
            }
    # of a damaged archive zipfile reports an unknown compression and encryption as kinds of RuntimeError
    except (zipfile.BadZipFile, UnicodeDecodeError, RuntimeError, zlib.error) as error:
        raise ValueError(f"{path} is not a program of torch.export: {brief(str(error))}") from error


def card_of(model: Model, decision: Decision, splits: Splits) -> dict[str, Any]:
    """Return the model card: all that is needed to use an exported file, as JSON takes it."""
    run, shape = model.run, model.input.shape
    images = {
        "dtype": "uint8",
        "layout": "N, channel, row, column",
        "channels": "grey" if shape[0] == 1 else "red, green, blue",
        "scaling": "(p - 127.5) / 128, inside the graph",
        "pictures": f"stretched to {shape[-1]} x {shape[-2]} pixels (width x height), bilinear",
    }
    vectors = {"dtype": "float32", "scaling": "none"}
    return {
        "format": "cones model",
        "version": 1,
        "input": {"name": "images", "shape": ["N", *shape], **(images if model.input.images else vectors)},
        "output": {
            "name": "embeddings",
            "shape": ["N", model.dim],
            "dtype": "float32",
            "length": "1; a zero vector stays 0",
        },
        "training": {
            "data": run.data,
            "split": splits.kind,
            "classes": model.input.num_classes,
            "loss": run.loss,
            "backbone": run.backbone,
            "epoch": model.position.epoch,
            "step": model.position.step,
        },
        "threshold": decision.threshold,
        "far": decision.far,
        "decision": json.loads(decision_to_json(decision)),
        "weights": model.weights.relative_to(model.folder).as_posix(),
        "model_sha256": file_sha256(model.weights),
    }
