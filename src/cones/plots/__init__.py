"""Figures and reports: what the losses do to the feature space. The only part that draws."""

from ..common.extras import require

require("cones.plots", "numpy", "matplotlib", "jinja2")


from ._save import save as save
from .evaluations.det import det_figure as det_figure
from .evaluations.evaluation_report import write_evaluation_report as write_evaluation_report
from .evaluations.hard_pairs import hard_pairs_figure as hard_pairs_figure
from .evaluations.identification import cmc_figure as cmc_figure
from .evaluations.subjects import subject_figure as subject_figure
from .evaluations.verification import roc_figure as roc_figure
from .evaluations.verification import score_figure as score_figure
from .losses.curves import curve_figure as curve_figure
from .losses.curves import target_curve as target_curve
from .losses.loss import feature_loss_figure as feature_loss_figure
from .losses.loss import loss_figure as loss_figure
from .losses.margin import margin_figure as margin_figure
from .losses.pages import write_index as write_index
from .losses.pages import write_pages as write_pages
from .runs import LabelledFeatures as LabelledFeatures
from .runs.angles import angle_figure as angle_figure
from .runs.angles import angle_grid as angle_grid
from .runs.angles import class_angles as class_angles
from .runs.features import feature_figure as feature_figure
from .runs.grid import Panel as Panel
from .runs.grid import grid_figure as grid_figure
from .runs.learning import learning_figure as learning_figure
from .runs.norms import norm_figure as norm_figure
from .runs.report import write_comparison_report as write_comparison_report
from .runs.report import write_run_report as write_run_report

__all__ = [
    "LabelledFeatures",
    "Panel",
    "angle_figure",
    "angle_grid",
    "class_angles",
    "cmc_figure",
    "curve_figure",
    "det_figure",
    "feature_figure",
    "feature_loss_figure",
    "grid_figure",
    "hard_pairs_figure",
    "learning_figure",
    "loss_figure",
    "margin_figure",
    "norm_figure",
    "roc_figure",
    "save",
    "score_figure",
    "subject_figure",
    "target_curve",
    "write_comparison_report",
    "write_evaluation_report",
    "write_index",
    "write_pages",
    "write_run_report",
]
