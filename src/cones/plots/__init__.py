"""Figures and reports: what the losses do to the feature space. The only part that draws."""

from cones.plots._points import Points as Points
from cones.plots._save import save as save
from cones.plots.angles import angle_figure as angle_figure
from cones.plots.angles import angle_grid as angle_grid
from cones.plots.angles import class_angles as class_angles
from cones.plots.curves import curve_figure as curve_figure
from cones.plots.curves import target_curve as target_curve
from cones.plots.features import feature_figure as feature_figure
from cones.plots.grid import Panel as Panel
from cones.plots.grid import grid_figure as grid_figure
from cones.plots.learning import learning_figure as learning_figure
from cones.plots.norms import norm_figure as norm_figure
from cones.plots.report import write_comparison_report as write_comparison_report
from cones.plots.report import write_run_report as write_run_report
