"""Do two samples show one subject? Exact figures from scores, pairs, or all pairs of labelled embeddings."""

from ._curve import Roc as Roc
from ._curve import roc as roc
from ._verification import TarAtFar as TarAtFar
from ._verification import Verification as Verification
from ._verification import verification as verification
