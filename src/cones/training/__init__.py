"""Training: a configuration, the loop, checkpoints, margin schedules."""

from ..common.extras import require

require("cones.training", "numpy", "PIL", "safetensors", "tomli_w")

from ..common.import_path import TrustError as TrustError
from ._compare import DEMO as DEMO
from ._compare import DEMO_RUN as DEMO_RUN
from ._compare import compare as compare
from ._compare import jobs_for as jobs_for
from ._compare import read_summaries as read_summaries
from ._errors import TrainingError as TrainingError
from ._joint import JointLoss as JointLoss
from ._joint import Parts as Parts
from ._loop import fit as fit
from ._objective import Objective as Objective
from ._objective import parse_objective as parse_objective
from ._results import write_results as write_results
from ._run import Run as Run
from ._run import read_fields as read_fields
from ._run import read_run as read_run
from ._run import refuse_code as refuse_code
from ._run import write_run as write_run
from ._schedules import PAPER_ANNEALINGS as PAPER_ANNEALINGS
from ._schedules import Annealing as Annealing
from ._schedules import CosineWarmup as CosineWarmup
from ._schedules import ExponentialWarmup as ExponentialWarmup
from ._schedules import LinearWarmup as LinearWarmup
from ._stop import Stop as Stop
from .checkpoint import CheckpointError as CheckpointError
from .checkpoint import Position as Position
from .data import DataCache as DataCache

__all__ = [
    "DEMO",
    "DEMO_RUN",
    "PAPER_ANNEALINGS",
    "Annealing",
    "CheckpointError",
    "CosineWarmup",
    "DataCache",
    "ExponentialWarmup",
    "JointLoss",
    "LinearWarmup",
    "Objective",
    "Parts",
    "Position",
    "Run",
    "Stop",
    "TrainingError",
    "TrustError",
    "compare",
    "fit",
    "jobs_for",
    "parse_objective",
    "read_fields",
    "read_run",
    "read_summaries",
    "refuse_code",
    "write_results",
    "write_run",
]
