"""Shared by every room: unit vectors, expressions, whole files, errors of missing packages."""
