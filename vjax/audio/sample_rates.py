"""The sample rates that a sound may have."""

RATE_RANGE_HZ = 1000, 768_000
"""From below the first samplers to eight times the highest rate of a studio. Other values come from broken headers."""
