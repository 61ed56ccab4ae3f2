"""Candidates that need neither network nor bank: the sound itself as a wavetable.

An oscillator goes once through the cycles of a table that was fitted to the sound (`fit_table.py`). A wide stereo sound
gets two oscillators, one for each channel. The preset follows the keyboard like any other.

A note may be longer than the sound's own (`sustain.py`). Then:

- An LFO in Vital's "Sustain Envelope" mode stays at the cycle where the note ended.
- A second LFO moves from there through further cycles, back and forth.
- If the sound decays, the amplitude envelope decays too.
- The rest of the sweep and the release come after note-off.

Each sound gets two tables: one of its harmonics, and one that is octaves lower. The lines of the lower table are dense
enough for inharmonic sounds: noise, bells, drums, detuned voices.
"""

import dataclasses
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from vjax.audio.pitch import Pitch, detect_pitch, midi_to_hz
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig, fit_cycles, n_lines, stay_s
from vjax.candidates.resynthesis.release import amplitude, release_of
from vjax.candidates.resynthesis.sustain import LONGEST_FALL_S, Fall, Lines, sustain_cycles, sustain_of
from vjax.engine.config import RenderConfig
from vjax.search.candidate import Candidate, Kind
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls, init
from vjax.vital.wavetables import table_json

RESYNTHESIS = "resynthesis"
"""The labels of these candidates begin with this."""

DENSE = f"{RESYNTHESIS}, dense"
_LOWEST_HZ = 19.6  # from this frequency up, a table's 1023 harmonics reach 20 kHz
_TRANSPOSE = 48  # semitones, limit of osc_N_transpose
_ENVELOPE, _SUSTAIN_ENVELOPE, _LOOP_POINT = 2, 3, 4  # lfo_N_sync_type
_SECONDS = 0  # lfo_N_sync

_GATE_S = 0.01  # after the end of the note: a note-off before that changes nothing
_LONGEST_DELAY_S = 4.0  # of an envelope and of an LFO
_SHORTEST_S = 0.05  # from the first to the last cycle for a longer note

_NARROW = 0.03  # of the middle's power: less at the sides is hardly audible


@dataclasses.dataclass(frozen=True)
class LongNote:
    """What a preset does in a note that is longer than `render.note_s`, until note-off.

    Attributes:
      cycles: number of cycles at the end of its tables that it goes through meanwhile.
      seconds: from the first to the last of them.
      back: the cycle to which it then returns, as a share of them. From there it goes to the last again.
      fall: of the amplitude envelope; None keeps the level.
    """

    cycles: int
    seconds: float
    back: float
    fall: Fall | None


def resynthesised(
    audio: np.ndarray,
    note: int,
    render: RenderConfig,
    config: WavetableFitConfig | None = None,
    name: str = "",
    pitch: Pitch | None = None,
    after: np.ndarray | None = None,
) -> list[Candidate]:
    """Makes presets from a sound, to be played at `note` with the settings of `render`.

    This takes seconds and needs no render.

    Returns two presets, or one if the pitch is so low that both would have the same table.

    Args:
      audio: float32 [2, samples], as long as a render.
      config: how tables are fitted.
      name: of the presets.
      pitch: of the sound; by default it is detected.
      after: float32 [2, m], the recording after `audio`, if there is more of it.
    """
    pitch = pitch or detect_pitch(audio, render.sample_rate)
    base = pitch.midi if pitch.clear else float(note)
    whole = render.note_s >= render.seconds
    sustain = sustain_of(audio, after if whole else None, render.sample_rate, render.note_s)
    release_s = release_of(audio, render)
    if sustain.note_off_s is not None:
        assert after is not None, "only the recording after the clip can show a note-off"
        long = np.concatenate([audio, after], 1)
        release_s = release_of(
            long, dataclasses.replace(render, seconds=long.shape[1] / render.sample_rate, note_s=sustain.note_off_s)
        )
    envelope = amplitude(release_s, render)
    # The two pitches may be equal. Then there is one preset.
    pitches = {_lowest(base, note): DENSE, _on_keyboard(base, note): RESYNTHESIS}
    config, channels = (config or WavetableFitConfig()).spread_over(render.seconds), _channels(audio)
    behind = sustain.after if len(channels) == 2 else sustain.after.mean(0, keepdims=True)
    step_s = (render.seconds - stay_s(render.seconds)) / (config.swept - 1)

    def table(midi: float, i: int) -> tuple[np.ndarray, int, float]:
        """Returns a channel's cycles at a pitch, how many are for a longer note, and how many seconds those take."""
        hz = midi_to_hz(midi)
        # Each channel has its own phases, so that differences between the channels stay separate.
        seeded = dataclasses.replace(config, seed=config.seed + i)
        cycles = fit_cycles(channels[i], render.sample_rate, hz, envelope, seeded)
        more, seconds = sustain_cycles(
            cycles,
            config.frames - config.swept,
            hold_cycle(render, config.swept),
            step_s,
            np.concatenate([channels[i], behind[i]]),
            Lines(hz, n_lines(hz, render.sample_rate), render.sample_rate),
            sustain,
        )
        return np.concatenate([cycles, more]), len(more), seconds

    wanted = [(midi, i) for midi in pitches for i in range(len(channels))]
    with ThreadPoolExecutor(len(wanted), "vjax-fit") as threads:  # one fit alone uses only half of two cores
        tables = dict(zip(wanted, threads.map(lambda one: table(*one), wanted), strict=True))
    found = []
    for midi, label in pitches.items():
        made = [tables[midi, i] for i in range(len(channels))]
        _, n_more, seconds = made[-1]
        long_note = LongNote(n_more, max(seconds, _SHORTEST_S), 0.5 if sustain.after.size else 0.0, sustain.fall)
        preset = swept_preset([t for t, *_ in made], midi - note, release_s, render, name, long_note)
        found.append(Candidate(label, preset, kind=Kind.RESYNTHESIS))
    return found


def swept_preset(
    tables: Sequence[np.ndarray],
    semitones: float,
    release_s: float | None,
    render: RenderConfig,
    name: str,
    long_note: LongNote | None = None,
) -> Preset:
    """Returns the init preset with one oscillator, or with two panned left and right, swept once during a render.

    Args:
      tables: the cycles [frames, 2048] of each oscillator. Their loudness relative to each other counts.
      semitones: by how much they are transposed.
      release_s: of the amplitude envelope; None leaves it unchanged.
      long_note: what the preset does in a longer note; None stays at one cycle.
    """
    schema = controls()
    continuous, categorical = init().continuous.copy(), init().categorical.copy()
    knobs = {
        "lfo_1_frequency": -math.log2(render.seconds),
        "lfo_1_smooth_time": schema.continuous[schema.position["lfo_1_smooth_time"]].minimum,
    }
    menus = {"lfo_1_sync": _SECONDS, "lfo_1_sync_type": _ENVELOPE, "lfo_1_smooth_mode": 0}
    if render.note_s < render.seconds:  # otherwise the sound after note-off is unknown
        menus["lfo_1_sync_type"] = _SUSTAIN_ENVELOPE
        knobs["lfo_1_phase"] = render.note_s / render.seconds  # where it stays until note-off
    if release_s is not None:
        knobs["env_1_release"] = release_s**0.25
    frames = len(tables[0])
    swept = frames - long_note.cycles if long_note else frames
    sweep = shape_json("Sweep", [(0, 0), (1 - stay_s(render.seconds) / render.seconds, 1), (1, 1)])
    shapes = [sweep, *init().lfo_shapes[1:]]
    routes = [Route("lfo_1", f"osc_{i + 1}_wave_frame", (swept - 1) / (frames - 1)) for i in range(len(tables))]
    if long_note and render.note_s + _GATE_S <= _LONGEST_DELAY_S:
        more_knobs, more_menus, shapes[1], more_routes = _holding(long_note, frames, len(tables), render)
        knobs, menus, routes = knobs | more_knobs, menus | more_menus, routes + more_routes
    peaks = np.array([np.abs(table).max() for table in tables])
    # Vital scales each table to its peak. A level is the square of its parameter.
    levels = np.sqrt(peaks / (peaks.max() or 1))
    for i in range(1, len(tables) + 1):
        menus[f"osc_{i}_on"] = 1
        menus[f"osc_{i}_destination"] = int(init().categorical[schema.categorical_names.index("osc_1_destination")])
        knobs |= {
            f"osc_{i}_transpose": round(semitones),
            f"osc_{i}_tune": semitones - round(semitones),
            f"osc_{i}_level": float(levels[i - 1]),
            f"osc_{i}_pan": 0.0 if len(tables) == 1 else 2.0 * i - 3,
            f"osc_{i}_random_phase": 0.0,  # the cycles of a dense table are parts of one long cycle
        }
    for knob, value in knobs.items():
        continuous[schema.position[knob]] = schema.continuous[schema.position[knob]].to_norm(value)
    for menu, option in menus.items():
        categorical[schema.categorical_names.index(menu)] = option
    swept = [table_json(name or RESYNTHESIS, table / (peak or 1)) for table, peak in zip(tables, peaks, strict=True)]
    return dataclasses.replace(
        init(),
        continuous=continuous,
        categorical=categorical,
        routes=(*routes, *init().routes[len(routes) :]),
        lfo_shapes=tuple(shapes),
        wavetables=(*swept, *init().wavetables[len(swept) :]),
        name=name,
    )


def _holding(
    long_note: LongNote, frames: int, oscillators: int, render: RenderConfig
) -> tuple[dict[str, float], dict[str, int], dict[str, Any], list[Route]]:
    """Returns (knobs, menus, shape of LFO 2, routes) for the time after `render.note_s`.

    Knobs are continuous and menus categorical parameters. Before `render.note_s` they change no sample.

    LFO 1 stays where it is. Envelope 2 opens the routes of LFO 2, which goes from there through the other cycles. If
    the tables have cycles of the release, envelope 2 closes these routes at note-off. Otherwise the routes last as long
    as the release.
    """
    swept = frames - long_note.cycles
    hold = hold_cycle(render, swept)
    reach = frames - 1 - hold
    first = (swept - hold) / reach
    seconds, share = long_note.seconds, long_note.back
    once = seconds + 2 * (1 - share) * seconds  # to the last cycle, then back and to the last again
    there, back = seconds / once, (2 - share) * seconds / once
    shape = shape_json("Hold", [(0, first), (there, 1), (back, first + share * (1 - first)), (1, 1)])
    released = render.note_s < render.seconds
    knobs = {
        "lfo_2_frequency": -math.log2(once),
        "lfo_2_phase": there,
        "lfo_2_delay_time": render.note_s + _GATE_S,
        "lfo_2_smooth_time": controls().continuous[controls().position["lfo_2_smooth_time"]].minimum,
        "env_2_delay": (render.note_s + _GATE_S) ** 0.25,
        "env_2_attack": 0.0,
        "env_2_sustain": 1.0,
        "env_2_release": 0.0 if released else LONGEST_FALL_S**0.25,
        "env_2_release_power": 0.0 if released else 20.0,  # it falls only at the end
    }
    if long_note.fall:
        knobs |= {
            "env_1_hold": render.note_s**0.25,
            "env_1_decay": long_note.fall.seconds**0.25,
            "env_1_decay_power": -long_note.fall.power,
            "env_1_sustain": 0.0,
        }
    menus = {"lfo_2_sync": _SECONDS, "lfo_2_sync_type": _LOOP_POINT, "lfo_2_smooth_mode": 0}
    routes = [Route("lfo_2", f"osc_{i + 1}_wave_frame", 0.0) for i in range(oscillators)]
    gates = [f"modulation_{oscillators + i + 1}_amount" for i in range(oscillators)]  # from -1 to 1
    return knobs, menus, shape, routes + [Route("env_2", gate, reach / (frames - 1) / 2) for gate in gates]


def hold_cycle(render: RenderConfig, swept: int) -> float:
    """Returns the cycle at which a sweep is when the note ends. A fraction lies between two cycles."""
    return min(render.note_s / (render.seconds - stay_s(render.seconds)), 1) * (swept - 1)


def _channels(audio: np.ndarray) -> np.ndarray:
    """Returns both channels [2, samples], or their mean [1, samples] if they are nearly the same."""
    middle, side = audio.mean(0), (audio[0] - audio[1]) / 2
    return middle[None] if np.sum(side**2) < _NARROW * np.sum(middle**2) else audio


def _on_keyboard(midi: float, note: int) -> float:
    """Returns the pitch moved by octaves, so that an oscillator can be transposed to it and a table reaches 20 kHz."""
    midi -= 12 * max(math.ceil((midi - note - _TRANSPOSE) / 12), 0)
    return max(midi, _lowest(midi, note))


def _lowest(midi: float, note: int) -> float:
    """Returns the lowest such pitch that is whole octaves away from `midi`."""
    limit = max(69 + 12 * math.log2(_LOWEST_HZ / 440), note - _TRANSPOSE)
    return midi + 12 * math.ceil((limit - midi) / 12)
