"""Search among embeddings: identification, retrieval, clusters."""

from ._identification import Identification as Identification
from ._identification import identification as identification
from ._identification import identify as identify
from ._information import adjusted_mutual_information as adjusted_mutual_information
from ._information import normalized_mutual_information as normalized_mutual_information
from ._k_means import Clusters as Clusters
from ._k_means import k_means as k_means
from ._open_set import NO_MATE as NO_MATE
from ._open_set import OpenSet as OpenSet
from ._rank_1 import rank_1 as rank_1
from ._retrieval import Retrieval as Retrieval
from ._retrieval import retrieval as retrieval
from ._retrieval import retrieve as retrieve
from ._split import Split as Split
from ._split import gallery_probe_split as gallery_probe_split
from ._top_k import top_k as top_k
