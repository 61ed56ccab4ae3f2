"""The last step of a patch: velocity, macros, a name, a style and words, so that a musician can play and read it."""

import dataclasses

from vjax.candidates.patch.macros import with_macros
from vjax.candidates.patch.naming import short_name, style_tag
from vjax.candidates.patch.velocity import with_velocity
from vjax.candidates.patch.words import words
from vjax.vital.preset import Preset


def finished(preset: Preset, note: int, velocity: float = 0.8, name: str = "") -> Preset:
    """The preset ready for a musician; at `velocity` and with its macros at 0 it sounds as before.

    Args:
      note: MIDI note that the preset was made for.
      velocity: that it was made for, in (0, 1].
      name: of the preset; by default it says what is in the patch.
    """
    ready = with_macros(with_velocity(preset, note, velocity), note, velocity)
    return dataclasses.replace(
        ready,
        name=name or short_name(ready, note),
        style=style_tag(ready, note),
        comments=words(ready, note, velocity),
    )
