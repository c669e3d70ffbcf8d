"""Do two samples show one subject? Exact figures from scores, pairs, or all pairs of labelled embeddings."""

from ..search.scores import Similarity as Similarity
from ._all_pairs import verification_of_all_pairs as verification_of_all_pairs
from ._curve import Roc as Roc
from ._curve import roc as roc
from ._details import VerificationDetails as VerificationDetails
from ._folds import FoldAccuracy as FoldAccuracy
from ._folds import fold_accuracy as fold_accuracy
from ._in_detail import VerificationReport as VerificationReport
from ._in_detail import pairs_in_detail as pairs_in_detail
from ._in_detail import verification_in_detail as verification_in_detail
from ._intervals import VerificationIntervals as VerificationIntervals
from ._intervals import verification_intervals as verification_intervals
from ._verification import TarAtFar as TarAtFar
from ._verification import Verification as Verification
from ._verification import verification as verification
