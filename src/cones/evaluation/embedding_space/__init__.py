"""Figures of an embedding space: how classes lie, collapse, uniformity, dimension."""
