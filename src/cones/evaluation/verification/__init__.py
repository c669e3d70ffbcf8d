"""One-to-one verification: exact figures from scores, pairs, or all pairs of labelled embeddings."""

from ._all_pairs import points_of_tiles as points_of_tiles
from ._all_pairs import verification_of_all_pairs as verification_of_all_pairs
from ._curve import Roc as Roc
from ._curve import roc as roc
from ._details import VerificationDetails as VerificationDetails
from ._distances import warn_of_scores as warn_of_scores
from ._figures import TarAtFar as TarAtFar
from ._figures import Verification as Verification
from ._figures import VerificationIntervals as VerificationIntervals
from ._folds import FoldAccuracy as FoldAccuracy
from ._folds import accuracy_of_folds as accuracy_of_folds
from ._folds import fold_accuracy as fold_accuracy
from ._in_detail import VerificationReport as VerificationReport
from ._in_detail import pairs_in_detail as pairs_in_detail
from ._in_detail import report_of_pairs as report_of_pairs
from ._in_detail import report_of_rows as report_of_rows
from ._in_detail import verification_in_detail as verification_in_detail
from ._intervals import verification_intervals as verification_intervals
from ._points import place_at_far as place_at_far
from ._settings import VerificationSettings as VerificationSettings
from ._tiles import tiles_of as tiles_of
from ._verification import verification as verification
