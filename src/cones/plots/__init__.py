"""Figures and reports: what the losses do to the feature space. The only part that draws."""

from ._points import Points as Points
from ._save import save as save
from .angles import angle_figure as angle_figure
from .angles import angle_grid as angle_grid
from .angles import class_angles as class_angles
from .curves import curve_figure as curve_figure
from .curves import target_curve as target_curve
from .features import feature_figure as feature_figure
from .grid import Panel as Panel
from .grid import grid_figure as grid_figure
from .learning import learning_figure as learning_figure
from .loss import feature_loss_figure as feature_loss_figure
from .loss import loss_figure as loss_figure
from .margin import margin_figure as margin_figure
from .norms import norm_figure as norm_figure
from .pages import write_index as write_index
from .pages import write_pages as write_pages
from .report import write_comparison_report as write_comparison_report
from .report import write_run_report as write_run_report
