import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..common.atomic_files import replacing
from ..embedding import Model
from ..evaluation import Decision
from ._card import metadata_of
from ._graph import traced

INPUT_NAME, OUTPUT_NAME = "images", "embeddings"


class ExportError(RuntimeError):
    """A model cannot be exported, or what was exported does not decide as the model does; no file is left."""


def export_onnx(model: Model, path: str | os.PathLike[str], decision: Decision) -> None:
    """Write a model as ONNX: input `images` (N, *shape), output `embeddings` (N, D), of unit length.

    The decision is kept in the file's metadata_props; `read_metadata` reads it.

    Args:
        model: from `cones.embedding.load_backbone`.
        path: the file, ending in .onnx; whole or not at all.
        decision: the threshold on the cosine of two embeddings, with its meaning.

    Raises:
        ExportError: the backbone cannot be traced.
        ModuleNotFoundError: onnx or onnxscript is not installed.
        ValueError: the decision is not one on the embeddings alone, or of other weights.
        OSError: the file cannot be written.
    """
    check_installed("onnx", "onnxscript")
    metadata = metadata_of(model, decision)
    program = _traced(model)
    with _quiet():
        onnx = torch.onnx.export(
            program,
            (),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: "N"},),
            dynamo=True,
            verbose=False,
        )
    if onnx is None:
        raise ExportError("torch.onnx.export returned no program")
    onnx.model.metadata_props.update(metadata)
    with replacing(Path(path)) as aside:
        onnx.save(aside, external_data=False)


def export_program(model: Model, path: str | os.PathLike[str], decision: Decision) -> None:
    """Write a model as a program of torch.export: from (N, *shape) to (N, D), of unit length.

    The decision is kept in the file's extra files; `read_metadata` reads it.

    Args:
        model: from `cones.embedding.load_backbone`.
        path: the file, ending in .pt2; whole or not at all.
        decision: the threshold on the cosine of two embeddings, with its meaning.

    Raises:
        ExportError, ValueError, OSError: as `export_onnx`.
    """
    metadata = metadata_of(model, decision)
    program = _traced(model)
    with replacing(Path(path)) as aside:
        torch.export.save(program, aside, extra_files=metadata)


def check_installed(*names: str) -> None:
    """Raise ModuleNotFoundError unless the optional packages are installed."""
    import importlib.util

    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(
                f"{name} is not installed: pip install 'cones[export]', or export with --format torch"
            )


def _traced(model: Model) -> torch.export.ExportedProgram:
    try:
        return traced(model)
    except Exception as error:  # the tracer has many exceptions of its own for code that it cannot follow
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"backbone {model.run.backbone} cannot be traced by torch.export: {reason}; write its forward without "
            "branches on values"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself: a deprecated check in its own code, and that torchvision is missing."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(level)
