"""Pictures and pages of losses."""
