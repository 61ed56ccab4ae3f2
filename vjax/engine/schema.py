"""The schema of the installed engine. Only this module builds a schema from the engine and not from a file."""

from vjax.engine import synth
from vjax.sound.schema import Schema


def engine_schema(n_wavetables: int = 1, n_lfo_shapes: int = 1) -> Schema:
    """The installed engine's schema.

    Args:
      n_wavetables: number of wavetables in the catalog, from which each oscillator has one.
      n_lfo_shapes: number of shapes in the catalog, from which each LFO has one.
    """
    return Schema.from_controls(
        synth.describe_controls(),
        *synth.modulation_names(),
        n_wavetables=n_wavetables,
        n_lfo_shapes=n_lfo_shapes,
        engine=synth.VERSION,
    )
