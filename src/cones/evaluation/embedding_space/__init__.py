"""Figures of an embedding space: how classes lie, collapse, uniformity, dimension."""

from ._collapse import NeuralCollapse as NeuralCollapse
from ._collapse import neural_collapse as neural_collapse
from ._correlation import rank_correlation as rank_correlation
from ._dimension import effective_rank as effective_rank
from ._dimension import participation_ratio as participation_ratio
from ._directions import ClassDirections as ClassDirections
from ._directions import class_directions as class_directions
from ._directions import simplex_distance as simplex_distance
from ._geometry import Geometry as Geometry
from ._geometry import angular_fisher_score as angular_fisher_score
from ._geometry import geometry as geometry
from ._space import FeatureSpace as FeatureSpace
from ._space import feature_space as feature_space
from ._space import mean_directions as mean_directions
from ._uniformity import alignment as alignment
from ._uniformity import uniformity as uniformity
