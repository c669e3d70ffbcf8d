"""Protocols and formats that others left you with: a path in, a frozen dataclass out, nothing in a file executed."""

from ..common.extras import require as _require

_require("cones.protocols", "numpy", "safetensors")


from ..data.pictures import decode_pictures as decode_pictures
from ._bin import ImagePairs as ImagePairs
from ._bin import read_bin as read_bin
from ._embeddings import Embeddings as Embeddings
from ._embeddings import read_embeddings as read_embeddings
from ._face_records import Face as Face
from ._face_records import FaceRecords as FaceRecords
from ._face_records import iterate_faces as iterate_faces
from ._face_records import read_face_records as read_face_records
from ._lfw import read_lfw_pairs as read_lfw_pairs
from ._pairs import Pairs as Pairs
from ._pairs_csv import read_pairs_csv as read_pairs_csv
from ._read_pairs import read_pairs as read_pairs
from ._scores_csv import ScoredPairs as ScoredPairs
from ._scores_csv import read_scores_csv as read_scores_csv
from ._templates import Templates as Templates
from ._templates import read_templates as read_templates
from ._trials import read_trials as read_trials
from ._write_embeddings import EMBEDDING_SUFFIXES as EMBEDDING_SUFFIXES
from ._write_embeddings import check_embeddings_place as check_embeddings_place
from ._write_embeddings import write_embeddings as write_embeddings

__all__ = [
    "EMBEDDING_SUFFIXES",
    "Embeddings",
    "Face",
    "FaceRecords",
    "ImagePairs",
    "Pairs",
    "ScoredPairs",
    "Templates",
    "check_embeddings_place",
    "decode_pictures",
    "iterate_faces",
    "read_bin",
    "read_embeddings",
    "read_face_records",
    "read_lfw_pairs",
    "read_pairs",
    "read_pairs_csv",
    "read_scores_csv",
    "read_templates",
    "read_trials",
    "write_embeddings",
]
