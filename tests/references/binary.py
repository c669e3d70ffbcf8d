"""Formulas."""

MARGINS = []
FORMULAS = {}
