"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from cones.evaluation.geometry import Geometry as Geometry
from cones.evaluation.geometry import angular_fisher_score as angular_fisher_score
from cones.evaluation.geometry import geometry as geometry
