"""Imported by the fork server: every process forked from it finds an unused Synth ready."""

from vjax.vital import engine

engine.prepare()
