"""A trained run as a graph for other runtimes, with its threshold inside, checked against the run on real samples."""

from ._card import read_metadata as read_metadata
from ._check import Agreement as Agreement
from ._check import check_export as check_export
from ._decide import decide as decide
from ._export import ExportError as ExportError
from ._export import export_onnx as export_onnx
from ._export import export_program as export_program
from ._run import Exported as Exported
from ._run import export_run as export_run

__all__ = [
    "Agreement",
    "ExportError",
    "Exported",
    "check_export",
    "decide",
    "export_onnx",
    "export_program",
    "export_run",
    "read_metadata",
]
