"""A run's folder to a folder of exported files, written only where they decide as the run does."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ..common.atomic_files import check_folder_place, check_free, whole_folder, write_text
from ..data import Dataset
from ..embedding import Model, load_backbone
from ..evaluation import Decision, read_decision
from ..training.data import read_same_data
from ._card import card_of
from ._check import Agreement, check_export
from ._decide import decide, spread_rows
from ._export import ExportError, check_installed, export_onnx, export_program

Format = Literal["onnx", "torch"]
FILES = {"onnx": "model.onnx", "torch": "model.pt2"}
CARD = "model.json"


@dataclass(frozen=True)
class Exported:
    """Files of an export, and their checks.

    Attributes:
        folder: that holds the files.
        decision: the threshold in them.
        agreements: by file name, how far each agrees with the run.
    """

    folder: Path
    decision: Decision
    agreements: dict[str, Agreement]

    def __str__(self) -> str:
        lines = [f"{self.folder / name}: {agreement}" for name, agreement in self.agreements.items()]
        return "\n".join([str(self.decision), *lines, str(self.folder / CARD)])


def export_run(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    formats: Sequence[Format] = ("onnx", "torch"),
    far: float = 0.001,
    decision: str | os.PathLike[str] | None = None,
    samples: int = 500,
    which: Literal["last", "best"] = "last",
    data_folder: Path | None = None,
    trust: bool = False,
) -> Exported:
    """Export a run with its threshold, check each file on test samples, and only then put the folder in its place.

    Args:
        folder: of the run.
        out: folder to make: model.onnx, model.pt2, and model.json, which says how to use them.
        formats: "onnx", "torch" or both.
        far: the false accept rate at which the threshold is chosen on the run's test side, in [0, 1).
        decision: file of a decision to take instead; it must be of the same weights.
        samples: of the test side that are checked, all their pairs decided; at least 2.
        which: "last" or "best", as of `cones.embedding.load_backbone`.
        data_folder: where named data sets are kept; None for the usual place.
        trust: whether a backbone of one's own may be imported, as of `cones.embedding.load_backbone`.

    Returns:
        `Exported`.

    Raises:
        ExportError: the backbone cannot be traced, or a file does not decide as the run does: nothing is left then.
        FileExistsError: out is there and not empty.
        OSError: out cannot be written to; the error names it, the reason and the fix.
        TrainingError: the data have changed since the run was trained.
        FileNotFoundError, CheckpointError, DataError: the run or its data are not there or not right.
        ModuleNotFoundError: an optional package is not installed.
        ValueError: an argument is out of its range, or the decision is of another model.
    """
    folder, out = Path(folder), Path(out)
    if samples < 2:
        raise ValueError(f"samples is {samples}, expected at least 2, to form a pair")
    if not 0 <= far < 1:
        raise ValueError(f"far is {far}, expected a rate in [0, 1)")
    if "onnx" in formats:
        check_installed("onnx", "onnxscript", "onnxruntime")
    check_folder_place(out)
    check_free(out)
    # on the CPU, where float32 products are not rounded to TF32
    model = load_backbone(folder, which, device="cpu", data_folder=data_folder, trust=trust)
    splits = read_same_data(folder, data_folder)
    chosen = decide(model, splits.test, far) if decision is None else read_decision(decision, model.weights)
    with whole_folder(out) as aside:
        agreements = {}
        for form in formats:
            path = aside / FILES[form]
            (export_onnx if form == "onnx" else export_program)(model, path, chosen)
            agreements[path.name] = _checked(path, model, splits.test, chosen, samples)
        card = {
            **card_of(model, chosen, splits),
            "checked": {name: asdict(agreement) for name, agreement in agreements.items()},
        }
        write_text(aside / CARD, json.dumps(card, indent=2) + "\n")
    return Exported(out, chosen, agreements)


def _checked(path: Path, model: Model, test: Dataset, decision: Decision, samples: int) -> Agreement:
    images = test.inputs[spread_rows(test.labels, samples)]
    agreement = check_export(path, model, images, decision)
    if not agreement.same:
        raise ExportError(f"{path.name} does not decide as the run does, and nothing is written: {agreement}")
    return agreement
