"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from ..common.extras import require as _require

_require("cones.evaluation", "numpy")

from ._evaluate import evaluate as evaluate
from ._evaluate import evaluate_pairs as evaluate_pairs
from ._evaluation import Evaluation as Evaluation
from ._options import EvaluationOptions as EvaluationOptions
from .embedding_space import ClassDirections as ClassDirections
from .embedding_space import FeatureSpace as FeatureSpace
from .embedding_space import Geometry as Geometry
from .embedding_space import NeuralCollapse as NeuralCollapse
from .embedding_space import alignment as alignment
from .embedding_space import angular_fisher_score as angular_fisher_score
from .embedding_space import class_directions as class_directions
from .embedding_space import effective_rank as effective_rank
from .embedding_space import feature_space as feature_space
from .embedding_space import geometry as geometry
from .embedding_space import mean_directions as mean_directions
from .embedding_space import neural_collapse as neural_collapse
from .embedding_space import participation_ratio as participation_ratio
from .embedding_space import rank_correlation as rank_correlation
from .embedding_space import simplex_distance as simplex_distance
from .embedding_space import uniformity as uniformity
from .figure import Figure as Figure
from .progress import Progress as Progress
from .scores import Calibration as Calibration
from .scores import Decision as Decision
from .scores import calibrate as calibrate
from .scores import choose_decision as choose_decision
from .scores import cllr as cllr
from .scores import combine_embeddings as combine_embeddings
from .scores import decision_of_all_pairs as decision_of_all_pairs
from .scores import min_cllr as min_cllr
from .scores import normalised_scores as normalised_scores
from .scores import pair_scores as pair_scores
from .scores import pav_llr as pav_llr
from .scores import pool_adjacent_violators as pool_adjacent_violators
from .scores import read_decision as read_decision
from .scores import threshold_at_far as threshold_at_far
from .scores import write_decision as write_decision
from .search import Clusters as Clusters
from .search import Identification as Identification
from .search import OpenSet as OpenSet
from .search import Retrieval as Retrieval
from .search import Split as Split
from .search import adjusted_mutual_information as adjusted_mutual_information
from .search import gallery_probe_split as gallery_probe_split
from .search import identification as identification
from .search import k_means as k_means
from .search import normalized_mutual_information as normalized_mutual_information
from .search import rank_1 as rank_1
from .search import retrieval as retrieval
from .search import top_k as top_k
from .similarity import Similarity as Similarity
from .verification import FoldAccuracy as FoldAccuracy
from .verification import Roc as Roc
from .verification import TarAtFar as TarAtFar
from .verification import Verification as Verification
from .verification import VerificationDetails as VerificationDetails
from .verification import VerificationIntervals as VerificationIntervals
from .verification import VerificationReport as VerificationReport
from .verification import fold_accuracy as fold_accuracy
from .verification import pairs_in_detail as pairs_in_detail
from .verification import roc as roc
from .verification import verification as verification
from .verification import verification_in_detail as verification_in_detail
from .verification import verification_intervals as verification_intervals
from .verification import verification_of_all_pairs as verification_of_all_pairs

__all__ = [
    "Calibration",
    "ClassDirections",
    "Clusters",
    "Decision",
    "Evaluation",
    "EvaluationOptions",
    "FeatureSpace",
    "Figure",
    "FoldAccuracy",
    "Geometry",
    "Identification",
    "NeuralCollapse",
    "OpenSet",
    "Progress",
    "Retrieval",
    "Roc",
    "Similarity",
    "Split",
    "TarAtFar",
    "Verification",
    "VerificationDetails",
    "VerificationIntervals",
    "VerificationReport",
    "adjusted_mutual_information",
    "alignment",
    "angular_fisher_score",
    "calibrate",
    "choose_decision",
    "class_directions",
    "cllr",
    "combine_embeddings",
    "decision_of_all_pairs",
    "effective_rank",
    "evaluate",
    "evaluate_pairs",
    "feature_space",
    "fold_accuracy",
    "gallery_probe_split",
    "geometry",
    "identification",
    "k_means",
    "mean_directions",
    "min_cllr",
    "neural_collapse",
    "normalised_scores",
    "normalized_mutual_information",
    "pair_scores",
    "pairs_in_detail",
    "participation_ratio",
    "pav_llr",
    "pool_adjacent_violators",
    "rank_1",
    "rank_correlation",
    "read_decision",
    "retrieval",
    "roc",
    "simplex_distance",
    "threshold_at_far",
    "top_k",
    "uniformity",
    "verification",
    "verification_in_detail",
    "verification_intervals",
    "verification_of_all_pairs",
    "write_decision",
]
