"""Figures and reports of evaluations."""
