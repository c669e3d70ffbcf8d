"""Numbers about embeddings: arrays in, frozen dataclasses out."""

from cones.evaluation._identification import Identification as Identification
from cones.evaluation._identification import OpenSet as OpenSet
from cones.evaluation._identification import identification as identification
from cones.evaluation._information import adjusted_mutual_information as adjusted_mutual_information
from cones.evaluation._information import normalized_mutual_information as normalized_mutual_information
from cones.evaluation._k_means import Clusters as Clusters
from cones.evaluation._k_means import k_means as k_means
from cones.evaluation._retrieval import Retrieval as Retrieval
from cones.evaluation._retrieval import retrieval as retrieval
from cones.evaluation._split import Split as Split
from cones.evaluation._split import gallery_probe_split as gallery_probe_split
from cones.evaluation._top_k import top_k as top_k
from cones.evaluation.geometry import Geometry as Geometry
from cones.evaluation.geometry import angular_fisher_score as angular_fisher_score
from cones.evaluation.geometry import geometry as geometry
