"""How the level and the cutoff of a patch move: by its envelopes and LFOs, and as another sound would need it."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import maximum_filter1d

from vjax.candidates.patch.model import low_pass_db
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram
from vjax.vital.laws import envelope, knob_seconds
from vjax.vital.laws.modulation import (
    SECONDS,
    lfo_frequency_hz,
    lfo_phase,
    lfo_value,
    shape_route,
    tempo_frequency_hz,
)
from vjax.vital.preset import Preset, controls
from vjax.vital.values import value_of

LEVEL, CUTOFF = "voice_amplitude", "filter_1_cutoff"

FIRST_S = 0.0125
"""Half the window of a frame. A frame nearer to note-on or note-off than this also shows what lies beyond."""

_KEYTRACK = 4
_LEAST_LEVEL = 0.02  # -68 dB: softer is silence
_CUTOFFS = np.arange(8, 136.1, 0.5)
_SEEN_DB = 1.0  # above the floor
_FEW = 4  # bands of a frame, or frames of a band: fewer are too few
_SOFT_DB, _CLICK = 40.0, 2  # a frame this far below the loudest gives no cutoff, nor do this many frames beside it


class Curves(NamedTuple):
    """Level and cutoff of a note over time.

    Attributes:
      time_s: [t].
      gain_db: [t], of the amplitude.
      cutoff: [t], MIDI pitch of filter 1, NaN where it is unknown; None if the filter is off.
    """

    time_s: np.ndarray
    gain_db: np.ndarray
    cutoff: np.ndarray | None


def moved(preset: Preset, destination: str, time_s: np.ndarray, note_s: float) -> np.ndarray:
    """Returns native values [...] of a parameter: its own value plus what envelopes and LFOs routed to it add."""
    knob = controls().continuous[controls().position[destination]]
    total = np.full(np.shape(time_s), value_of(preset, destination))
    for route in preset.routes:
        if route is not None and route.destination == destination and not route.bypass:
            source = _source(preset, route.source, time_s, note_s)
            if source is not None:
                shaped = shape_route(source, route.amount, float(route.bipolar), route.power)
                total = total + (knob.maximum - knob.minimum) * np.asarray(shaped)
    return total


def own_curves(preset: Preset, time_s: np.ndarray, note_s: float) -> Curves:
    """Returns the level and cutoff that the envelopes and LFOs of a patch give."""
    level = np.asarray(_source(preset, "env_1", time_s, note_s)) * moved(preset, LEVEL, time_s, note_s)
    cutoff = np.clip(moved(preset, CUTOFF, time_s, note_s), 8, 136) if value_of(preset, "filter_1_on") else None
    return Curves(time_s, 40 * np.log10(np.maximum(level, _LEAST_LEVEL)), cutoff)


def needed_curves(preset: Preset, sound: Spectrogram, rendered: Spectrogram, note_s: float) -> Curves:
    """Returns the curves with which a patch that now plays `rendered` would play `sound`, from note-on to note-off.

    Both sounds are decomposed in the same way, by medians. Their difference is added to the patch's own curves, so that
    errors of the method cancel out.
    """
    while_on = (sound.time_s <= note_s - FIRST_S) & (sound.time_s >= FIRST_S)
    own = own_curves(preset, sound.time_s[while_on], note_s)
    sound_db, rendered_db = sound.db[while_on], rendered.db[while_on]
    if own.cutoff is None:
        gain_db = np.array([_gain_db(a, b) for a, b in zip(sound_db, rendered_db, strict=True)])
        return own._replace(gain_db=own.gain_db + gain_db)
    resonance, steep = value_of(preset, "filter_1_resonance"), float(value_of(preset, "filter_1_style") == 1)
    q = 0.5 + 15.5 * resonance**3
    band = 69 + 12 * np.log2(sound.band_hz / 440)
    responses = np.asarray(low_pass_db(jnp.asarray(band), jnp.asarray(_CUTOFFS)[:, None], q, steep))
    playing = responses[np.clip(np.searchsorted(_CUTOFFS, own.cutoff), 0, len(_CUTOFFS) - 1)]
    audible = rendered_db > FLOOR_DB + _SEEN_DB
    source = np.where(audible, rendered_db - playing - own.gain_db[:, None], np.nan)
    some = audible.sum(0) > _FEW
    source_db = np.full(len(band), np.nan)
    source_db[some] = np.nanmedian(source[:, some], 0)
    wanted, played = (_decomposed(one, source_db, responses) for one in (sound_db, rendered_db))
    gain_db, cutoff = own.gain_db + wanted[0] - played[0], own.cutoff + wanted[1] - played[1]
    silent = maximum_filter1d(~np.isfinite(cutoff) | (gain_db < gain_db.max() - _SOFT_DB), 2 * _CLICK + 1)
    return Curves(own.time_s, gain_db, np.where(silent, np.nan, cutoff))


def _gain_db(sound_db: np.ndarray, rendered_db: np.ndarray) -> float:
    """Returns the median difference of one frame over the bands in which the sound is above the floor.

    If these are too few, it returns the floor if the render has enough of them, and 0 otherwise.
    """
    in_sound, in_render = (one > FLOOR_DB + _SEEN_DB for one in (sound_db, rendered_db))
    if in_sound.sum() >= _FEW:
        return float(np.median((sound_db - rendered_db)[in_sound]))
    return FLOOR_DB if in_render.sum() >= _FEW else 0.0


def _decomposed(frames_db: np.ndarray, source_db: np.ndarray, responses_db: np.ndarray) -> np.ndarray:
    """Returns gain in dB and cutoff, [2, t], of each frame of a sound with a given source.

    The cutoff of a silent frame is NaN.
    """
    finite = np.isfinite(source_db)
    through = (source_db + responses_db)[:, finite]
    found = []
    for frame in frames_db[:, finite]:
        audible = frame > FLOOR_DB + _SEEN_DB
        if audible.sum() < _FEW:
            found.append((FLOOR_DB, np.nan))
            continue
        gains = np.median(frame[audible] - through[:, audible], 1)
        error = np.abs(np.maximum(through + gains[:, None], FLOOR_DB) - frame).mean(1)
        best = int(error.argmin())
        found.append((gains[best], _CUTOFFS[best]))
    return np.array(found).reshape(-1, 2).T


def _source(preset: Preset, name: str, time_s: np.ndarray, note_s: float):
    """Returns values [...] in [0, 1] of an envelope or LFO; None for another source or an LFO with key tracking."""
    kind, _, number = name.partition("_")
    if kind == "env" and number.isdigit():

        def knob(stage: str) -> float:
            return value_of(preset, f"{name}_{stage}")

        times = {stage: knob_seconds(knob(stage)) for stage in ("delay", "attack", "hold", "decay", "release")}
        powers = {f"{stage}_power": knob(f"{stage}_power") for stage in ("attack", "decay", "release")}
        times_s = {f"{stage}_s": seconds for stage, seconds in times.items()}
        return envelope(time_s, note_s, sustain=knob("sustain"), **times_s, **powers)
    if kind != "lfo" or not number.isdigit():
        return None
    sync = int(value_of(preset, f"{name}_sync"))
    if sync == _KEYTRACK:
        return None
    hz = lfo_frequency_hz(value_of(preset, f"{name}_frequency"))
    if sync != SECONDS:
        tempo, beats = int(value_of(preset, f"{name}_tempo")), value_of(preset, "beats_per_minute")
        hz = tempo_frequency_hz(tempo, beats, sync)
    type_, phase = int(value_of(preset, f"{name}_sync_type")), value_of(preset, f"{name}_phase")
    shape = preset.lfo_shapes[int(number) - 1]
    points = np.asarray(shape["points"], float)[: 2 * int(shape["num_points"])].reshape(-1, 2)
    powers = np.asarray(shape["powers"], float)[: len(points)]
    at = lfo_phase(time_s, hz, phase, type_, note_s, value_of(preset, f"{name}_delay_time"))
    return lfo_value(at, points, powers, bool(shape.get("smooth")))
