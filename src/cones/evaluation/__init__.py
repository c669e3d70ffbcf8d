"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from cones.evaluation.geometry import Geometry as Geometry
from cones.evaluation.geometry import angular_fisher_score as angular_fisher_score
from cones.evaluation.geometry import geometry as geometry
from cones.evaluation.verification import FoldAccuracy as FoldAccuracy
from cones.evaluation.verification import Roc as Roc
from cones.evaluation.verification import Similarity as Similarity
from cones.evaluation.verification import TarAtFar as TarAtFar
from cones.evaluation.verification import Verification as Verification
from cones.evaluation.verification import VerificationIntervals as VerificationIntervals
from cones.evaluation.verification import fold_accuracy as fold_accuracy
from cones.evaluation.verification import pair_scores as pair_scores
from cones.evaluation.verification import roc as roc
from cones.evaluation.verification import verification as verification
from cones.evaluation.verification import verification_intervals as verification_intervals
from cones.evaluation.verification import verification_of_all_pairs as verification_of_all_pairs
