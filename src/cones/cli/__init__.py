"""The `cones` command."""
