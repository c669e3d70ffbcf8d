"""Data sets by name and from your own files, in memory, with a train and a test side."""

from ..common.extras import require

require("cones.data", "numpy", "PIL")


from ._dataset import Dataset as Dataset
from ._dataset import Splits as Splits
from ._files import DataError as DataError
from ._files import default_root as default_root
from ._folder import is_flat as is_flat
from ._folder import read_flat_folder as read_flat_folder
from ._load import load as load
from ._load import load_whole as load_whole
from ._named import NamedSet as NamedSet
from ._named import named as named
from .pictures import with_channels as with_channels

__all__ = [
    "DataError",
    "Dataset",
    "NamedSet",
    "Splits",
    "default_root",
    "is_flat",
    "load",
    "load_whole",
    "named",
    "read_flat_folder",
    "with_channels",
]
