"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from ..common.extras import require as _require

_require("cones.evaluation", "numpy")

from cones.evaluation._evaluate import evaluate as evaluate
from cones.evaluation._evaluate import evaluate_pairs as evaluate_pairs
from cones.evaluation._evaluation import Evaluation as Evaluation
from cones.evaluation.embedding_space.collapse import NeuralCollapse as NeuralCollapse
from cones.evaluation.embedding_space.collapse import neural_collapse as neural_collapse
from cones.evaluation.embedding_space.correlation import rank_correlation as rank_correlation
from cones.evaluation.embedding_space.dimension import effective_rank as effective_rank
from cones.evaluation.embedding_space.dimension import participation_ratio as participation_ratio
from cones.evaluation.embedding_space.directions import ClassDirections as ClassDirections
from cones.evaluation.embedding_space.directions import class_directions as class_directions
from cones.evaluation.embedding_space.directions import simplex_distance as simplex_distance
from cones.evaluation.embedding_space.geometry import Geometry as Geometry
from cones.evaluation.embedding_space.geometry import angular_fisher_score as angular_fisher_score
from cones.evaluation.embedding_space.geometry import geometry as geometry
from cones.evaluation.embedding_space.space import FeatureSpace as FeatureSpace
from cones.evaluation.embedding_space.space import feature_space as feature_space
from cones.evaluation.embedding_space.space import mean_directions as mean_directions
from cones.evaluation.embedding_space.uniformity import alignment as alignment
from cones.evaluation.embedding_space.uniformity import uniformity as uniformity
from cones.evaluation.figure import Figure as Figure
from cones.evaluation.progress import Progress as Progress
from cones.evaluation.scores import Calibration as Calibration
from cones.evaluation.scores import Decision as Decision
from cones.evaluation.scores import calibrate as calibrate
from cones.evaluation.scores import choose_decision as choose_decision
from cones.evaluation.scores import cllr as cllr
from cones.evaluation.scores import combine_embeddings as combine_embeddings
from cones.evaluation.scores import decision_of_all_pairs as decision_of_all_pairs
from cones.evaluation.scores import min_cllr as min_cllr
from cones.evaluation.scores import normalised_scores as normalised_scores
from cones.evaluation.scores import pair_scores as pair_scores
from cones.evaluation.scores import pav_llr as pav_llr
from cones.evaluation.scores import pool_adjacent_violators as pool_adjacent_violators
from cones.evaluation.scores import read_decision as read_decision
from cones.evaluation.scores import threshold_at_far as threshold_at_far
from cones.evaluation.scores import write_decision as write_decision
from cones.evaluation.search._identification import Identification as Identification
from cones.evaluation.search._identification import OpenSet as OpenSet
from cones.evaluation.search._identification import identification as identification
from cones.evaluation.search._information import adjusted_mutual_information as adjusted_mutual_information
from cones.evaluation.search._information import normalized_mutual_information as normalized_mutual_information
from cones.evaluation.search._k_means import Clusters as Clusters
from cones.evaluation.search._k_means import k_means as k_means
from cones.evaluation.search._retrieval import Retrieval as Retrieval
from cones.evaluation.search._retrieval import retrieval as retrieval
from cones.evaluation.search._split import Split as Split
from cones.evaluation.search._split import gallery_probe_split as gallery_probe_split
from cones.evaluation.search._top_k import top_k as top_k
from cones.evaluation.verification import FoldAccuracy as FoldAccuracy
from cones.evaluation.verification import Roc as Roc
from cones.evaluation.verification import Similarity as Similarity
from cones.evaluation.verification import TarAtFar as TarAtFar
from cones.evaluation.verification import Verification as Verification
from cones.evaluation.verification import VerificationDetails as VerificationDetails
from cones.evaluation.verification import VerificationIntervals as VerificationIntervals
from cones.evaluation.verification import VerificationReport as VerificationReport
from cones.evaluation.verification import fold_accuracy as fold_accuracy
from cones.evaluation.verification import pairs_in_detail as pairs_in_detail
from cones.evaluation.verification import roc as roc
from cones.evaluation.verification import verification as verification
from cones.evaluation.verification import verification_in_detail as verification_in_detail
from cones.evaluation.verification import verification_intervals as verification_intervals
from cones.evaluation.verification import verification_of_all_pairs as verification_of_all_pairs

__all__ = [
    "Calibration",
    "ClassDirections",
    "Clusters",
    "Decision",
    "Evaluation",
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
