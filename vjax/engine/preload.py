"""Imported by the fork server: every process forked from it finds an unused Synth ready."""

import warnings

from vjax.engine import synth

# A function that a process calls may live in a module that imports jax, which warns at each fork: its threads would not
# survive it. Here nothing has used jax, and there are no such threads.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)

synth.prepare()
