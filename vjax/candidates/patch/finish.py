"""Finishes a patch for a musician: adds velocity, macros, a name, a style and a description."""

import dataclasses

from vjax.candidates.patch.describe_patch import describe
from vjax.candidates.patch.macros import with_macros
from vjax.candidates.patch.naming import short_name, style_tag
from vjax.candidates.patch.velocity import with_velocity
from vjax.vital.preset import Preset


def finished(preset: Preset, note: int, velocity: float = 0.8, name: str = "") -> Preset:
    """Returns the preset ready for a musician. At `velocity` and with its macros at 0, it sounds as before.

    Args:
      note: MIDI note for which the preset was made.
      velocity: for which it was made, in (0, 1].
      name: of the preset; by default it describes the patch.
    """
    ready = with_macros(with_velocity(preset, note, velocity), note, velocity)
    return dataclasses.replace(
        ready,
        name=name or short_name(ready, note),
        style=style_tag(ready, note),
        comments=describe(ready, note, velocity),
    )
