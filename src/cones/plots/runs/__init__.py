"""Figures and reports of training runs."""

from ._points import LabelledFeatures as LabelledFeatures
