"""How the level and the cutoff of a patch move: as its envelopes and LFOs say, and as another sound needs it."""

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
"""Half the window of a frame: one that is nearer to the key's press or release shows that too."""

_KEYTRACK = 4
_LEAST_LEVEL = 0.02  # -68 dB: what is softer is silent
_CUTOFFS = np.arange(8, 136.1, 0.5)
_SEEN_DB = 1.0  # above the floor
_FEW = 4  # bands
_SOFT_DB, _CLICK = 40.0, 2  # no cutoff is seen so far below the loudest frame, nor that many frames beside one


class Curves(NamedTuple):
    """Of a held note.

    Attributes:
      time_s: [t].
      gain_db: [t], of the amplitude.
      cutoff: [t], MIDI pitch of filter 1; None if it is off.
    """

    time_s: np.ndarray
    gain_db: np.ndarray
    cutoff: np.ndarray | None


def moved(preset: Preset, destination: str, time_s: np.ndarray, note_s: float) -> np.ndarray:
    """[...] native values of a control, as its knob and the envelopes and LFOs routed to it move it."""
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
    """What the envelopes and LFOs of a patch make of its level and cutoff."""
    level = np.asarray(_source(preset, "env_1", time_s, note_s)) * moved(preset, LEVEL, time_s, note_s)
    cutoff = np.clip(moved(preset, CUTOFF, time_s, note_s), 8, 136) if value_of(preset, "filter_1_on") else None
    return Curves(time_s, 40 * np.log10(np.maximum(level, _LEAST_LEVEL)), cutoff)


def needed_curves(preset: Preset, sound: Spectrogram, rendered: Spectrogram, note_s: float) -> Curves:
    """The curves that would make a patch, which plays `rendered`, play `sound`, while the key is held.

    Both sounds are taken apart in one way, by medians, and their difference is added to the patch's own curves: so
    what the method gets wrong cancels out.
    """
    held = (sound.time_s <= note_s - FIRST_S) & (sound.time_s >= FIRST_S)
    own = own_curves(preset, sound.time_s[held], note_s)
    sound_db, rendered_db = sound.db[held], rendered.db[held]
    if own.cutoff is None:
        gain_db = np.array([_gain_db(a, b) for a, b in zip(sound_db, rendered_db, strict=True)])
        return own._replace(gain_db=own.gain_db + gain_db)
    resonance, steep = value_of(preset, "filter_1_resonance"), float(value_of(preset, "filter_1_style") == 1)
    q = 0.5 + 15.5 * resonance**3
    band = 69 + 12 * np.log2(sound.band_hz / 440)
    responses = np.asarray(low_pass_db(jnp.asarray(band), jnp.asarray(_CUTOFFS)[:, None], q, steep))
    playing = responses[np.clip(np.searchsorted(_CUTOFFS, own.cutoff), 0, len(_CUTOFFS) - 1)]
    heard = rendered_db > FLOOR_DB + _SEEN_DB
    source = np.where(heard, rendered_db - playing - own.gain_db[:, None], np.nan)
    some = heard.sum(0) > _FEW
    source_db = np.full(len(band), np.nan)
    source_db[some] = np.nanmedian(source[:, some], 0)
    wanted, played = (_taken_apart(one, source_db, responses) for one in (sound_db, rendered_db))
    gain_db, cutoff = own.gain_db + wanted[0] - played[0], own.cutoff + wanted[1] - played[1]
    silent = maximum_filter1d(~np.isfinite(cutoff) | (gain_db < gain_db.max() - _SOFT_DB), 2 * _CLICK + 1)
    return Curves(own.time_s, gain_db, np.where(silent, np.nan, cutoff))


def _gain_db(sound_db: np.ndarray, rendered_db: np.ndarray) -> float:
    """Median difference over the bands of one frame in which the sound, or else the render, is above the floor."""
    heard, played = (one > FLOOR_DB + _SEEN_DB for one in (sound_db, rendered_db))
    if heard.sum() >= _FEW:
        return float(np.median((sound_db - rendered_db)[heard]))
    return FLOOR_DB if played.sum() >= _FEW else 0.0


def _taken_apart(frames_db: np.ndarray, source_db: np.ndarray, responses_db: np.ndarray) -> np.ndarray:
    """[2, t]: gain in dB and cutoff of each frame of a sound with a known source; NaN for the cutoff of silence."""
    known = np.isfinite(source_db)
    through = (source_db + responses_db)[:, known]
    found = []
    for frame in frames_db[:, known]:
        heard = frame > FLOOR_DB + _SEEN_DB
        if heard.sum() < _FEW:
            found.append((FLOOR_DB, np.nan))
            continue
        gains = np.median(frame[heard] - through[:, heard], 1)
        error = np.abs(np.maximum(through + gains[:, None], FLOOR_DB) - frame).mean(1)
        best = int(error.argmin())
        found.append((gains[best], _CUTOFFS[best]))
    return np.array(found).reshape(-1, 2).T


def _source(preset: Preset, name: str, time_s: np.ndarray, note_s: float):
    """[...] values in [0, 1] of an envelope or LFO; None for another source."""
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
