"""Figures and reports: what the losses do to the feature space. The only part that draws."""

from ..common.extras import require

require("cones.plots", "numpy", "matplotlib", "jinja2")


from ._points import Points as Points
from ._save import save as save
from .angles import angle_figure as angle_figure
from .angles import angle_grid as angle_grid
from .angles import class_angles as class_angles
from .curves import curve_figure as curve_figure
from .curves import target_curve as target_curve
from .det import det_figure as det_figure
from .evaluation_report import write_evaluation_report as write_evaluation_report
from .features import feature_figure as feature_figure
from .grid import Panel as Panel
from .grid import grid_figure as grid_figure
from .hard_pairs import hard_pairs_figure as hard_pairs_figure
from .identification import cmc_figure as cmc_figure
from .learning import learning_figure as learning_figure
from .loss import feature_loss_figure as feature_loss_figure
from .loss import loss_figure as loss_figure
from .margin import margin_figure as margin_figure
from .norms import norm_figure as norm_figure
from .pages import write_index as write_index
from .pages import write_pages as write_pages
from .report import write_comparison_report as write_comparison_report
from .report import write_run_report as write_run_report
from .subjects import subject_figure as subject_figure
from .verification import roc_figure as roc_figure
from .verification import score_figure as score_figure
