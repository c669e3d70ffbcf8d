import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...common.atomic_files import write_text
from ...common.regular_file import not_a_file
from ._calibration import Calibration
from ._decision import Decision

FORMAT = "cones decision"
VERSION = 2
"""2: a threshold of "euclidean" is minus the distance; in 1 it was minus its square."""
_NUMBER, _TEXT = (int, float), (str, type(None))
KINDS: dict[str, tuple[type, ...]] = {
    "threshold": _NUMBER, "far": _NUMBER, "measured_far": _NUMBER, "measured_tar": _NUMBER,
    "same_pairs": (int,), "different_pairs": (int,), "similarity": (str,), "normalisation": (str,),
    "top": (int, type(None)), "calibration": (dict, type(None)), "cohort_sha256": _TEXT, "model_sha256": _TEXT,
}  # fmt: skip
CALIBRATION_KINDS: dict[str, tuple[type, ...]] = {
    "slope": _NUMBER, "offset": _NUMBER, "prior": _NUMBER, "separable": (bool,)
}  # fmt: skip


def write_decision(path: str | os.PathLike[str], decision: Decision) -> None:
    """Write a decision as JSON, whole or not at all; every number is read back as it was.

    Args:
        path: of the file.
        decision: from `choose_decision`.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from cones.evaluation import choose_decision
        >>> path = Path(tempfile.mkdtemp()) / "decision.json"
        >>> x, pairs = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([[0, 1], [0, 2]])
        >>> decision = choose_decision(x, pairs, torch.tensor([True, False]), far=0.0)
        >>> write_decision(path, decision)
        >>> read_decision(path) == decision
        True
    """
    write_text(Path(path), decision_to_json(decision) + "\n")


def read_decision(path: str | os.PathLike[str], model: str | os.PathLike[str] | None = None) -> Decision:
    """Read a decision and check all of it.

    Args:
        path: of the file.
        model: the file of the model whose features it is to be used on; its checksum must be the stored one.

    Returns:
        `Decision`.

    Raises:
        ValueError: the file is not a decision, has unknown, missing or wrong fields, or is of another model.
        OSError: a file cannot be read.

    Example: see `write_decision`.
    """
    path = Path(path)
    if fault := not_a_file(path):
        raise FileNotFoundError(f"{fault}; expected a decision, as write_decision writes it")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}; write it with write_decision") from error
    decision = decision_from_json(text, str(path))
    if model is not None:
        _check_model(path, decision, Path(model))
    return decision


def decision_to_json(decision: Decision) -> str:
    """A decision as JSON text, to be kept inside another file; every number is read back as it was."""
    written = {"format": FORMAT, "version": VERSION, **asdict(decision)}
    return json.dumps(written, indent=2, allow_nan=False)


def decision_from_json(text: str, source: str) -> Decision:
    """The decision in JSON text, all of it checked.

    Args:
        text: from `decision_to_json`.
        source: name of its origin in errors.

    Raises:
        ValueError: as `read_decision`.
    """
    try:
        written = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} is not JSON: {error}; write it with write_decision") from error
    if not isinstance(written, dict) or written.pop("format", None) != FORMAT:
        raise ValueError(f'{source} is not a decision, expected "format": "{FORMAT}"; write it with write_decision')
    version = written.pop("version", None)
    if version != VERSION:
        raise ValueError(f"{source} has version {version!r}, expected {VERSION}: write it with this version of cones")
    _check_fields(source, "", written, KINDS)
    if written["calibration"] is not None:
        _check_fields(source, "calibration.", written["calibration"], CALIBRATION_KINDS)
    try:
        if written["calibration"] is not None:
            written["calibration"] = Calibration(**written["calibration"])
        return Decision(**written)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{source}: {error!s:.300}") from error


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Checksum of a file's contents, 64 hexadecimal digits, read a piece at a time."""
    if fault := not_a_file(Path(path)):
        raise FileNotFoundError(fault)
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _check_fields(source: str, prefix: str, written: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> None:
    for name in kinds.keys() - written.keys():
        raise ValueError(f"{source} has no {prefix}{name}, expected all of {', '.join(kinds)}")
    for name in written.keys() - kinds.keys():
        raise ValueError(f"{source} has the unknown field {prefix}{name:.80}, expected only {', '.join(kinds)}")
    for name, kind in kinds.items():
        value = written[name]
        # a truth value is an int to Python, but no number here
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            expected = " or ".join(sorted("null" if k is type(None) else k.__name__ for k in kind))
            raise ValueError(f"{source}: {prefix}{name} is {value!r:.80}, expected {expected}")


def _check_model(path: Path, decision: Decision, model: Path) -> None:
    if decision.model_sha256 is None:
        raise ValueError(f"{path} names no model, but model is {model}: choose the decision again with model={model}")
    actual = file_sha256(model)
    if actual != decision.model_sha256:
        raise ValueError(
            f"{model} has sha256 {actual}, but {path} was chosen for {decision.model_sha256}: a threshold holds for "
            "the model it was chosen on; choose one for this model"
        )
