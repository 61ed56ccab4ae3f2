"""vjax hears a sound and writes the Vital preset that makes it."""

__version__ = "0.1.0"
