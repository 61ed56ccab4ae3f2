"""Imported by the fork server, so that every process forked from it has an unused Synth."""

import warnings

from vjax.engine import synth

# A function that a process calls may be in a module that imports jax. jax warns at each fork, because its threads do
# not survive a fork. Nothing has used jax here, so there are no such threads.
warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)

synth.prepare()
