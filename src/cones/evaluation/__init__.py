"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from cones.evaluation.collapse import NeuralCollapse as NeuralCollapse
from cones.evaluation.collapse import neural_collapse as neural_collapse
from cones.evaluation.correlation import rank_correlation as rank_correlation
from cones.evaluation.dimension import effective_rank as effective_rank
from cones.evaluation.dimension import participation_ratio as participation_ratio
from cones.evaluation.directions import ClassDirections as ClassDirections
from cones.evaluation.directions import class_directions as class_directions
from cones.evaluation.directions import simplex_distance as simplex_distance
from cones.evaluation.geometry import Geometry as Geometry
from cones.evaluation.geometry import angular_fisher_score as angular_fisher_score
from cones.evaluation.geometry import geometry as geometry
from cones.evaluation.space import FeatureSpace as FeatureSpace
from cones.evaluation.space import feature_space as feature_space
from cones.evaluation.space import mean_directions as mean_directions
from cones.evaluation.uniformity import alignment as alignment
from cones.evaluation.uniformity import uniformity as uniformity
