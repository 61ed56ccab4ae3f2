"""Rhythms of a patch: looping LFOs with few points that move its level and its cutoff.

A rhythm is one period of a curve (`cycle.py`) on top of a slow movement. An envelope follows the slow movement: env_1
for the level, env_2 for the cutoff. So a musician finds a rate or a tempo, steps, and a depth (the amount of the LFO's
route).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter1d

from vjax.candidates.patch.curves import CUTOFF, FIRST_S, LEVEL, needed_curves, own_curves
from vjax.candidates.patch.cycle import TAP_WEIGHTS, TAPS_S, Cycle, cycle_of
from vjax.candidates.patch.fades import DEEPEST_DB, Fade, cutoff_fade, level_fade, seen_db
from vjax.candidates.patch.loops import Loop, period_of
from vjax.candidates.patch.spectrogram import Spectrogram
from vjax.candidates.patch.write import CUTOFF_LFO, LEVEL_LFO, within_ranges
from vjax.vital.editability import MOST_ROUTES
from vjax.vital.laws.modulation import SECONDS, TEMPO, TRIGGER, tempo_frequency_hz
from vjax.vital.preset import Preset, Route, controls
from vjax.vital.values import value_of, with_routes, with_values

_SHUT_DB = 36.0  # levels this far below the envelope count as equal
_SILENT_DB = 50.0  # the same, where a rhythm that closes fully is compared with one that does not
_AS_WELL = 0.06  # a loop of a shorter period may explain less by this
_AS_NEAR = 0.01  # periods whose errors differ by less count as equal, dB or semitones
_LONG_S, _OVER_DB = (0.2, 0.4), 6.0  # typical long periods; how far a level may exceed an envelope along its peaks
_LEAST_LEVEL, _LEAST_SEMITONES = 0.015, 0.7  # root mean square
_FADE_WORTH = 0.5  # semitones by which an envelope must lower the error
_LEAST_DEPTH = 2.0  # semitones
_LEFT = 0.7  # share of a constant's error that a rhythm may leave
_FADED_DB = -42.0  # where the envelope has fallen this far, a rhythm is not visible
_ROUNDS = 3
_SHORTEST_NOTE_S = 0.25
_TEMPO_STEP_S = 0.05  # a rhythm with a shorter period has a rate, not a tempo
_TEMPOS_BPM = (60.0, 180.0)
_MIDDLE_BPM = 120.0
_WHOLE = 0.005  # share by which a tempo may be changed to become a whole number
_TEMPO_TOLERANCE = 0.01  # share by which a period may differ from a tempo that another rhythm has set
_SYNCED = ("delay", "chorus", "flanger", "phaser")


class Rhythm(NamedTuple):
    """A loop of a patch.

    Attributes:
      destination: `LEVEL` or `CUTOFF`. The values of its cycle are those of `voice_amplitude`, or semitones.
      fade: of the slow movement; None leaves the envelopes unchanged.
    """

    destination: str
    loop: Loop
    cycle: Cycle
    fade: Fade | None


def level_rhythm(time_s: np.ndarray, gain_db: np.ndarray) -> Rhythm | None:
    """Returns the rhythm of the amplitude's gain [t] between note-on and note-off; None if it does not repeat."""
    target = np.maximum(gain_db - np.nanmax(gain_db), DEEPEST_DB)
    taps_s = time_s[:, None] + TAPS_S

    def upper_fade(period_s: float) -> Fade:
        frames = max(int(period_s / np.median(np.diff(time_s))), 1)
        return level_fade(taps_s, np.ones_like(taps_s), maximum_filter1d(target, 1 + frames))

    # A sound that decays shows its rhythm after an envelope along its peaks is removed.
    peaks_db = [seen_db(upper_fade(long_s).values(taps_s)) for long_s in _LONG_S]
    flat = [(10 ** (np.minimum(target - peak_db, _OVER_DB) / 40), 2 * _LEAST_LEVEL) for peak_db in peaks_db]
    curves = [(10 ** (target / 40), _LEAST_LEVEL), *flat]
    loops = [one for one in (period_of(time_s, curve, least) for curve, least in curves) if one]
    if not loops:
        return None
    explained = max(one.explained for one in loops) - _AS_WELL
    loop = min((one for one in loops if one.explained >= explained), key=lambda one: one.period_s)
    fade = upper_fade(loop.period_s)
    left = _ROUNDS
    while True:
        faded = fade.values(taps_s)
        faded_db = seen_db(faded)
        weight = (faded_db > max(_FADED_DB, faded_db.max() - 45)).astype(float)
        if weight.sum() < 4:
            return None

        floor_db = np.maximum(faded_db - _SHUT_DB, DEEPEST_DB)
        open_db = np.maximum(target, floor_db)

        def seen(values: np.ndarray, faded: np.ndarray = faded, floor_db: np.ndarray = floor_db) -> np.ndarray:
            return np.maximum(seen_db(faded * np.maximum(values, 0)), floor_db)

        cycle = cycle_of(time_s, 10 ** ((open_db - faded_db) / 40), weight, loop.period_s, seen, open_db)
        fade = level_fade(taps_s, np.maximum(cycle.values(taps_s, loop.period_s), 0), target)
        left -= 1
        if not left:
            break
    if cycle.error > _LEFT * cycle.still:
        return None

    def error(cycle: Cycle, period_s: float, deepest_db: float = _SHUT_DB) -> float:
        floor_db = np.maximum(faded_db - deepest_db, DEEPEST_DB)
        model_db = seen_db(faded * np.maximum(cycle.values(taps_s, period_s), 0))
        off_db = np.maximum(model_db, floor_db) - np.maximum(target, floor_db)
        return float(np.average(np.abs(off_db), weights=weight))

    shut = cycle.shut()
    if error(shut, loop.period_s, _SILENT_DB) < error(cycle, loop.period_s, _SILENT_DB):
        cycle = shut
    loop = _tuned(loop, lambda period_s: error(cycle, period_s))
    return Rhythm(LEVEL, loop, cycle._replace(low=max(cycle.low / cycle.high, 0.0), high=1.0), fade)


def cutoff_rhythm(time_s: np.ndarray, cutoff: np.ndarray, fading: bool = True) -> Rhythm | None:
    """Returns the rhythm of a cutoff [t] in semitones between note-on and note-off; None if it does not repeat.

    Args:
      cutoff: NaN where it is unknown.
      fading: whether an envelope may follow its slow movement.
    """
    loop = period_of(time_s, cutoff, _LEAST_SEMITONES)
    if loop is None:
        return None
    taps_s, period_s = time_s[:, None] + TAPS_S, loop.period_s
    weight = np.isfinite(cutoff).astype(float)
    target = np.where(np.isfinite(cutoff), cutoff, 0.0)

    def drawn(slow: np.ndarray) -> Cycle:
        slow_seen = slow @ TAP_WEIGHTS
        return cycle_of(
            time_s, target - slow_seen, weight, period_s, lambda values: values @ TAP_WEIGHTS + slow_seen, target
        )

    cycle, fade = drawn(np.zeros_like(taps_s)), None
    for _ in range(_ROUNDS if fading else 0):
        slower = cutoff_fade(time_s, target - cycle.values(taps_s, loop.period_s) @ TAP_WEIGHTS, weight)
        if slower is None:
            break
        faded = drawn(slower.amount * slower.values(taps_s))
        if faded.error > cycle.error - (_FADE_WORTH if fade is None else 0):
            break
        cycle, fade = faded, slower
    if cycle.error > _LEFT * cycle.still or cycle.high - cycle.low < _LEAST_DEPTH:
        return None
    slow = (fade.amount * fade.values(taps_s) if fade else np.zeros_like(taps_s)) @ TAP_WEIGHTS

    def error(period_s: float) -> float:
        return float(np.average(np.abs(cycle.values(taps_s, period_s) @ TAP_WEIGHTS + slow - target), weights=weight))

    loop = _tuned(loop, error)
    return Rhythm(CUTOFF, loop, cycle, fade)


def looped(preset: Preset, *rhythms: Rhythm) -> Preset:
    """Returns the preset with LFOs that loop through rhythms from note-on. They replace LFO routes to the same targets.

    Steps and segments run at a tempo, if no effect of the preset uses the tempo. Waves run at a rate, unless they fit
    that tempo.
    """
    preset = _without_lfos(preset, [one.destination for one in rhythms])
    free = _has_free_tempo(preset)
    tempo_bps = None
    for one in sorted(rhythms, key=lambda one: one.cycle.waving):
        lfo = _free_lfo(preset, LEVEL_LFO if one.destination == LEVEL else CUTOFF_LFO)
        native, menus = {}, {}
        timed = None
        if free and one.loop.period_s >= _TEMPO_STEP_S:
            timed = _at_tempo(one, tempo_bps)
        if timed is None:
            native[f"lfo_{lfo}_frequency"] = -math.log2(one.loop.period_s)
            menus[f"lfo_{lfo}_sync"] = SECONDS
        else:
            tempo_bps, option = timed
            native["beats_per_minute"] = tempo_bps  # Vital's name; it holds beats per second
            menus |= {f"lfo_{lfo}_sync": TEMPO, f"lfo_{lfo}_tempo": option}
        menus |= {f"lfo_{lfo}_sync_type": TRIGGER, f"lfo_{lfo}_smooth_mode": 1}
        native |= {f"lfo_{lfo}_smooth_time": -7.5, f"lfo_{lfo}_phase": one.cycle.phase}
        shapes = list(preset.lfo_shapes)
        shapes[lfo - 1] = one.cycle.shape
        preset = dataclasses.replace(preset, lfo_shapes=tuple(shapes))
        if one.destination == LEVEL:
            native[LEVEL] = one.cycle.low
            if one.fade:
                native |= _envelope_knobs(1, one.fade)
        else:
            native[CUTOFF] = one.cycle.low
            if one.fade:
                native |= _envelope_knobs(2, one.fade)
                preset = with_routes(preset, Route("env_2", CUTOFF, _share(CUTOFF, one.fade.amount)))
        depth = _share(one.destination, one.cycle.high - one.cycle.low)
        preset = with_values(
            with_routes(preset, Route(f"lfo_{lfo}", one.destination, depth)), {**within_ranges(native), **menus}
        )
    return preset


def with_rhythm(preset: Preset, sound: Spectrogram, rendered: Spectrogram, note_s: float) -> list[Preset]:
    """Returns presets with the rhythms that are needed to play `sound`.

    One preset has the rhythms of level and cutoff, and one has each alone. The list may be empty.

    Args:
      rendered: spectrogram of the preset's render.
      note_s: time from note-on to note-off, seconds.
    """
    if note_s < _SHORTEST_NOTE_S:
        return []
    needed = needed_curves(preset, sound, rendered, note_s)
    found = [level_rhythm(needed.time_s, needed.gain_db)]
    if needed.cutoff is not None:
        found.append(_own_cutoff_rhythm(preset, needed.time_s, needed.cutoff, note_s))
    return _proposals(preset, found)


def with_drawn_loops(preset: Preset, note_s: float) -> list[Preset]:
    """Returns presets with loops in place of the preset's own level and cutoff curves that repeat. May be empty."""
    if note_s < _SHORTEST_NOTE_S:
        return []
    time_s = np.arange(FIRST_S, note_s, 0.01)
    own = own_curves(preset, time_s, note_s)
    found = [level_rhythm(time_s, own.gain_db)]
    if own.cutoff is not None:
        found.append(_own_cutoff_rhythm(preset, time_s, own.cutoff, note_s))
    return _proposals(preset, found)


def _own_cutoff_rhythm(preset: Preset, time_s: np.ndarray, cutoff: np.ndarray, note_s: float) -> Rhythm | None:
    """Returns the rhythm of a cutoff, without what the preset's envelopes add to the cutoff."""
    bare = dataclasses.replace(_without_lfos(preset, [CUTOFF]))
    enveloped = own_curves(bare, time_s, note_s).cutoff
    if enveloped is None:
        return None
    routed = any(route is not None and route.destination == CUTOFF for route in bare.routes)
    room = sum(route is not None for route in bare.routes) + 2 < MOST_ROUTES
    return cutoff_rhythm(time_s, cutoff - enveloped + value_of(preset, CUTOFF), fading=not routed and room)


def _proposals(preset: Preset, found: Sequence[Rhythm | None]) -> list[Preset]:
    rhythms = [one for one in found if one is not None]
    chosen = [tuple(rhythms)] if len(rhythms) > 1 else []
    presets = [looped(preset, *some) for some in (*chosen, *((one,) for one in rhythms))]
    return [one for one in presets if sum(route is not None for route in one.routes) <= MOST_ROUTES]


def _tuned(loop: Loop, error: Callable[[float], float]) -> Loop:
    """Returns the loop with the period of least error within 1 % of its own: the mean of those that are as good."""
    periods_s = loop.period_s * np.linspace(0.99, 1.01, 81)
    errors = np.array([error(period_s) for period_s in periods_s])
    return loop._replace(period_s=float(periods_s[errors <= errors.min() + _AS_NEAR].mean()))


def _at_tempo(one: Rhythm, tempo_bps: float | None) -> tuple[float, int] | None:
    """Returns (beats per second, option of `lfo_N_tempo`) at which a rhythm runs; None if it has no tempo.

    Without a given tempo, it chooses the one nearest to 120 beats per minute. If a whole number of beats per minute is
    near, it takes that.
    """
    options = range(1, 13)  # 0 freezes the LFO
    cycles_a_beat = np.array([float(tempo_frequency_hz(option, 1.0)) for option in options])
    bpm = 60 / one.loop.period_s / cycles_a_beat
    if tempo_bps is not None:
        off = np.abs(bpm / (60 * tempo_bps) - 1)
        best = int(off.argmin())
        return (tempo_bps, options[best]) if off[best] <= _TEMPO_TOLERANCE else None
    if one.cycle.waving:
        return None
    best = int(np.abs(np.log(bpm / _MIDDLE_BPM)).argmin())
    if not _TEMPOS_BPM[0] <= bpm[best] <= _TEMPOS_BPM[1]:
        return None
    whole = round(bpm[best])
    return (whole if abs(whole / bpm[best] - 1) <= _WHOLE else float(bpm[best])) / 60, options[best]


def _has_free_tempo(preset: Preset) -> bool:
    """Returns whether no effect follows the tempo. Then the tempo may be changed."""
    return not any(value_of(preset, f"{one}_on") and value_of(preset, f"{one}_sync") != SECONDS for one in _SYNCED)


def _without_lfos(preset: Preset, destinations: Sequence[str]) -> Preset:
    """Returns the preset without the routes from LFOs to these destinations."""
    kept = [r for r in preset.routes if r and not (r.destination in destinations and r.source.startswith("lfo_"))]
    return dataclasses.replace(preset, routes=(*kept, *[None] * (len(preset.routes) - len(kept))))


def _free_lfo(preset: Preset, first: int) -> int:
    """Returns the number of an LFO without routes: `first` if that one has none."""
    used = {route.source for route in preset.routes if route}
    return next(n for n in (first, *range(1, 9)) if f"lfo_{n}" not in used)


def _share(destination: str, amount: float) -> float:
    knob = controls().continuous[controls().position[destination]]
    return float(np.clip(amount / (knob.maximum - knob.minimum), -1, 1))


def _envelope_knobs(number: int, fade: Fade) -> dict[str, float]:
    times = {"attack": fade.attack_s, "decay": fade.decay_s}
    knobs = {f"env_{number}_{stage}": seconds**0.25 for stage, seconds in times.items()}
    return knobs | {f"env_{number}_sustain": fade.sustain, f"env_{number}_decay_power": fade.decay_power}
