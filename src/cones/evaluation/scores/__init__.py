"""Scores of pairs of embeddings, their normalisation and calibration, and decisions that can be kept."""

from ._calibration import Calibration as Calibration
from ._calibration import calibrate as calibrate
from ._choose import choose_decision as choose_decision
from ._choose import decision_of_all_pairs as decision_of_all_pairs
from ._choose import threshold_at_far as threshold_at_far
from ._cllr import cllr as cllr
from ._cllr import min_cllr as min_cllr
from ._cllr import pav_llr as pav_llr
from ._cllr import pool_adjacent_violators as pool_adjacent_violators
from ._decision import Decision as Decision
from ._files import decision_from_json as decision_from_json
from ._files import decision_to_json as decision_to_json
from ._files import file_sha256 as file_sha256
from ._files import read_decision as read_decision
from ._files import write_decision as write_decision
from ._normalisation import normalised_scores as normalised_scores
from ._pairs import combine_embeddings as combine_embeddings
from ._pairs import pair_scores as pair_scores
