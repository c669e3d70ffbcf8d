"""Probes of losses: what a margin or a loss of features does at given similarities, angles and norms."""
