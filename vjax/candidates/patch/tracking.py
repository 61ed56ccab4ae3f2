"""Finds the key tracking of a patch's filter by recordings at other notes, because one note does not show it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.distances import mss
from vjax.candidates.patch.low_pass import highest_cutoff, main_low_pass
from vjax.candidates.patch.spectrogram import at_level_of
from vjax.candidates.patch.write import within_ranges
from vjax.engine.pool import RenderJob, RenderPool
from vjax.search.target import Sought
from vjax.vital.level import level_range_db
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of the key tracking that are tried. At 1, the cutoff follows the keyboard in full."""

_OCTAVE = 12
_MIDDLE = 60  # the note at which Vital's key tracking changes nothing


class Tracked(NamedTuple):
    """A patch with its key tracking, and the number of renders that this took."""

    preset: Preset
    evals: int


def with_key_tracking(preset: Preset, note: int, others: Sequence[Sought], pool: RenderPool) -> Tracked:
    """Returns the patch with the key tracking that is nearest to recordings at other notes (mean MSS).

    At `note` the patch plays the same as before. Without recordings at other notes, a low-pass follows the keyboard in
    full if it would be closed for the note an octave above. Any other filter stays unchanged.
    """
    if not value_of(preset, "filter_1_on"):
        return Tracked(preset, 0)
    elsewhere = [one for one in others if one.note != note]
    if not elsewhere:
        shuts = main_low_pass(preset) == "filter_1" and highest_cutoff(preset, "filter_1", note, 1.0) < note + _OCTAVE
        return Tracked(_tracking(preset, note, 1.0) if shuts else preset, 0)
    most_db = level_range_db(preset)[1]
    patches = [_tracking(preset, note, share) for share in SHARES]
    jobs = [RenderJob(patch.to_json(), (one.note,), note_s=one.note_s) for patch in patches for one in elsewhere]
    distances = np.full((len(patches), len(elsewhere)), np.inf)
    for i, rendering in enumerate(pool.map(jobs)):
        sound = elsewhere[i % len(elsewhere)]
        if rendering.audio is not None:
            distance = mss(at_level_of(rendering.audio[0], sound.audio, most_db), sound.audio, sound.sample_rate)
            distances[divmod(i, len(elsewhere))] = np.nan_to_num(distance, nan=np.inf)
    return Tracked(patches[int(np.argmin(distances.mean(1)))], len(jobs))


def _tracking(preset: Preset, note: int, share: float) -> Preset:
    now = value_of(preset, "filter_1_keytrack")
    cutoff = value_of(preset, "filter_1_cutoff") - (share - now) * (note - _MIDDLE)
    return with_values(preset, within_ranges({"filter_1_keytrack": share, "filter_1_cutoff": cutoff}))
