"""Imported by the fork server: every process forked from it finds an unused Synth ready."""

import warnings

from vjax.vital import engine

# The server imports its caller's main module, which may import jax. That warns at each fork, as its threads would
# not survive it; here nothing has used jax, and there are no such threads.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)

engine.prepare()
