"""Heads from class weights of other libraries, with a check that they compute the same.

    state = read_weights("loss.pt")                     # never executes what is pickled in a file
    head = from_pytorch_metric_learning(state, "ArcFaceLoss", margin=28.6)
    print(compare(head, formulas.pytorch_metric_learning(state, "ArcFaceLoss", margin=28.6)))
    write_head(Path("head.safetensors"), head)

Every function takes the settings as the other library counts them; where those are degrees, its docstring says so.
"""

from . import formulas as formulas
from ._by_name import SOURCES as SOURCES
from ._by_name import Migrated as Migrated
from ._by_name import migrate as migrate
from ._compare import Agreement as Agreement
from ._compare import compare as compare
from ._head_file import build_head as build_head
from ._head_file import check_head_place as check_head_place
from ._head_file import read_head as read_head
from ._head_file import write_head as write_head
from ._insightface import from_insightface as from_insightface
from ._insightface import in_rank_order as in_rank_order
from ._oml import from_oml as from_oml
from ._pytorch_metric_learning import from_pytorch_metric_learning as from_pytorch_metric_learning
from ._read import WeightsError as WeightsError
from ._read import read_weights as read_weights
from ._wespeaker import from_wespeaker as from_wespeaker
from .formulas import Reference as Reference

__all__ = [
    "SOURCES",
    "Agreement",
    "Migrated",
    "Reference",
    "WeightsError",
    "build_head",
    "check_head_place",
    "compare",
    "formulas",
    "from_insightface",
    "from_oml",
    "from_pytorch_metric_learning",
    "from_wespeaker",
    "in_rank_order",
    "migrate",
    "read_head",
    "read_weights",
    "write_head",
]
