"""Starts that need no network and no bank: the sound itself as a wavetable.

An oscillator goes once through the cycles of a table that was fitted to the sound (`vjax.inference.wavetable_fit`); of
a wide sound two do, one for each channel. What they play follows the keyboard like any preset. While a key is held
after the sound's own note ended, an LFO in Vital's "Sustain Envelope" mode stays on the cycle of that moment; the rest
of the table and the release of the amplitude envelope come after the key is let go. A sound whose key was never let go
ends on its last cycle.

Two tables for each sound: one of its harmonics, and one octaves lower, whose lines lie dense enough for what is no
harmonic: noise, bells, drums, detuned voices.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from vjax.audio.pitch import detect_pitch, midi_to_hz
from vjax.inference.target import Start
from vjax.inference.wavetable_fit import WavetableFitConfig, fit_cycles
from vjax.vital.engine import RenderConfig
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls, init
from vjax.vital.wavetables import table_json

RESYNTHESIS = "resynthesis"
"""Begins the labels of these starts."""

DENSE = f"{RESYNTHESIS}, dense"
_LOWEST_HZ = 19.6  # a table's 1023 harmonics reach up to 20 kHz from here on
_TRANSPOSE = 48  # semitones, osc_N_transpose
_ENVELOPE, _SUSTAIN_ENVELOPE = 2, 3  # lfo_N_sync_type
_SECONDS = 0  # lfo_N_sync

_NARROW = 0.03  # of the middle's power: less at the sides is hardly heard

_RELEASES_S = np.geomspace(0.01, 4.0, 60)
_STEP_S = 0.01
_TAIL_RANGE_DB = 60.0
_OVER_DB = 50.0  # below its loudest moment a sound has ended: there is no release to be heard


def resynthesised(
    audio: np.ndarray, note: int, render: RenderConfig, config: WavetableFitConfig | None = None, name: str = ""
) -> list[Start]:
    """Presets made of a sound, to be played at `note` as `render` says; seconds of work, and no render.

    Two, or one where the pitch is so low that both would have the same table.

    Args:
      audio: float32 [2, samples], as long as a render.
      config: how tables are fitted.
      name: of the presets.
    """
    pitch = detect_pitch(audio, render.sample_rate)
    base = pitch.midi if pitch.clear else float(note)
    release_s = release_of(audio, render)
    envelope = amplitude(release_s, render)
    # Of one sound the two may be one and the same.
    pitches = {_lowest(base, note): DENSE, _on_keyboard(base, note): RESYNTHESIS}
    channels, config = _channels(audio), config or WavetableFitConfig()
    starts = []
    for midi, label in pitches.items():
        tables = [
            # Other phases: what differs between the channels stays apart.
            fit_cycles(channel, render.sample_rate, midi_to_hz(midi), envelope, dataclasses.replace(config, seed=seed))
            for seed, channel in enumerate(channels, start=config.seed)
        ]
        starts.append(Start(label, swept_preset(tables, midi - note, release_s, render, name)))
    return starts


def swept_preset(
    tables: Sequence[np.ndarray], semitones: float, release_s: float | None, render: RenderConfig, name: str
) -> Preset:
    """The init patch with one oscillator, or two at the left and the right, swept once as long as a render lasts.

    Args:
      tables: the cycles [frames, 2048] of each oscillator; how loud they are beside each other counts.
      semitones: by how much they are transposed.
      release_s: of the amplitude envelope; None leaves it as it is.
    """
    schema = controls()
    continuous, categorical = init().continuous.copy(), init().categorical.copy()
    knobs = {
        "lfo_1_frequency": -math.log2(render.seconds),
        "lfo_1_smooth_time": schema.continuous[schema.position["lfo_1_smooth_time"]].minimum,
    }
    menus = {"lfo_1_sync": _SECONDS, "lfo_1_sync_type": _ENVELOPE, "lfo_1_smooth_mode": 0}
    if render.note_s < render.seconds:  # else nothing is known of what comes after the key is let go
        menus["lfo_1_sync_type"] = _SUSTAIN_ENVELOPE
        knobs["lfo_1_phase"] = render.note_s / render.seconds  # where it stays while the key is held
    if release_s is not None:
        knobs["env_1_release"] = release_s**0.25
    peaks = np.array([np.abs(table).max() for table in tables])
    # Vital scales each table to its peak; a level is the square of its knob.
    levels = np.sqrt(peaks / (peaks.max() or 1))
    for i in range(1, len(tables) + 1):
        menus[f"osc_{i}_on"] = 1
        menus[f"osc_{i}_destination"] = int(init().categorical[schema.categorical_names.index("osc_1_destination")])
        knobs |= {
            f"osc_{i}_transpose": round(semitones),
            f"osc_{i}_tune": semitones - round(semitones),
            f"osc_{i}_level": float(levels[i - 1]),
            f"osc_{i}_pan": 0.0 if len(tables) == 1 else 2.0 * i - 3,
            f"osc_{i}_random_phase": 0.0,  # the cycles of a dense table are parts of one long one
        }
    for knob, value in knobs.items():
        continuous[schema.position[knob]] = schema.continuous[schema.position[knob]].to_norm(value)
    for menu, option in menus.items():
        categorical[schema.categorical_names.index(menu)] = option
    swept = [table_json(name or RESYNTHESIS, table / (peak or 1)) for table, peak in zip(tables, peaks, strict=True)]
    routes = [Route("lfo_1", f"osc_{i + 1}_wave_frame", 1.0) for i in range(len(tables))]
    return dataclasses.replace(
        init(),
        continuous=continuous,
        categorical=categorical,
        routes=(*routes, *init().routes[len(routes) :]),
        lfo_shapes=(shape_json("Ramp", [(0, 0), (1, 1)]), *init().lfo_shapes[1:]),
        wavetables=(*swept, *init().wavetables[len(swept) :]),
        name=name,
    )


def amplitude(release_s: float | None, render: RenderConfig) -> np.ndarray:
    """[samples]: what the amplitude envelope of `swept_preset` does, 1 until the key is let go.

    Vital's release with its power of -2 falls as 1 - (1 - exp(-2 x)) / (1 - exp(-2)), x from 0 to 1, and its amplitude
    is the square of that (measured: 0.01 off where the release is longer than 0.4 s).
    """
    if release_s is None:
        schema = controls()
        knob = schema.continuous[schema.position["env_1_release"]]
        release_s = knob.to_native(init().continuous[schema.position["env_1_release"]]) ** 4
    after_s = np.maximum(np.arange(render.samples) / render.sample_rate - render.note_s, 0)
    x = np.minimum(after_s / release_s, 1)
    return (1 - np.expm1(-2 * x) / math.expm1(-2)) ** 2


def release_of(audio: np.ndarray, render: RenderConfig) -> float | None:
    """Seconds of release, up to 4, whose fall is nearest to the sound's after its note; None if it is over by then."""
    step = round(_STEP_S * render.sample_rate)
    blocks = audio[:, : audio.shape[1] // step * step].reshape(len(audio), -1, step)
    level_db = 10 * np.log10(np.maximum((blocks**2).mean((0, 2)), 1e-12))
    first = round(render.note_s / _STEP_S)
    if first + 1 >= len(level_db) or level_db[max(first - 1, 0)] < level_db.max() - _OVER_DB:
        return None
    fall_db = np.maximum(level_db[first:] - level_db[max(first - 1, 0)], -_TAIL_RANGE_DB)

    def error(release_s: float) -> float:
        falls = amplitude(release_s, render)[first * step :: step][: len(fall_db)]
        return float(np.abs(np.maximum(20 * np.log10(np.maximum(falls, 1e-6)), -_TAIL_RANGE_DB) - fall_db).mean())

    return float(min(_RELEASES_S, key=error))


def _channels(audio: np.ndarray) -> np.ndarray:
    """[1 or 2, samples]: one where both channels [2, samples] are nearly the same."""
    middle, side = audio.mean(0), (audio[0] - audio[1]) / 2
    return middle[None] if np.sum(side**2) < _NARROW * np.sum(middle**2) else audio


def _on_keyboard(midi: float, note: int) -> float:
    """The pitch moved by octaves to where an oscillator can be transposed and a table reaches up to 20 kHz from."""
    midi -= 12 * max(math.ceil((midi - note - _TRANSPOSE) / 12), 0)
    return max(midi, _lowest(midi, note))


def _lowest(midi: float, note: int) -> float:
    """The lowest such pitch of the same name."""
    limit = max(69 + 12 * math.log2(_LOWEST_HZ / 440), note - _TRANSPOSE)
    return midi + 12 * math.ceil((limit - midi) / 12)
