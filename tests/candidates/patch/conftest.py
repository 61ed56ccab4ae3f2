"""Patches made by hand, for the tests of this folder.

The fixture `by_hand` has functions that make presets. `sketch` has functions that make knobs of the model.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from vjax.candidates.patch.fit import SKELETONS
from vjax.candidates.patch.model import N_FRAMES, N_NODES, Axes, Knobs, axes_of
from vjax.candidates.patch.spectrogram import spectrogram
from vjax.candidates.patch.tables import cycles
from vjax.candidates.patch.write import patch_preset
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.values import with_routes, with_values
from vjax.vital.wavetables import FRAME, table_json

NOTE = 48
NOTE_HZ = 130.81
RENDER = RenderConfig(seconds=0.8, note_s=0.5)
DIGITAL = 3
EFFECTS = 3  # osc_N_destination

ENVELOPES = {
    **{"env_1_attack": 0.005**0.25, "env_1_decay": 0.5**0.25, "env_1_sustain": 0.7, "env_1_release": 0.15**0.25},
    **{"env_2_attack": 0.002**0.25, "env_2_decay": 0.3**0.25, "env_2_sustain": 0.3, "env_2_release": 0.15**0.25},
}
FILTER = {"filter_1_on": 1, "filter_1_model": DIGITAL, "filter_1_style": 1, "filter_1_cutoff": 60.0}
PITCHED = {"osc_1_level": 0.35, "osc_1_random_phase": 0.0}
OPENS = Route("env_2", "filter_1_cutoff", 0.3)


def cycle(amplitudes: Sequence[float]) -> np.ndarray:
    """[2048]: a sum of sines; `amplitudes[k]` belongs to harmonic k + 1."""
    phase = 2 * np.pi * np.arange(FRAME) / FRAME
    return np.asarray(amplitudes, float) @ np.sin(np.arange(1, len(amplitudes) + 1)[:, None] * phase)


def with_cycles(preset: Preset, *cycles: np.ndarray) -> Preset:
    frames = np.stack([one / np.abs(one).max() for one in cycles])
    return dataclasses.replace(preset, wavetables=(table_json("Found", frames), *preset.wavetables[1:]))


def patch(*routes: Route, values: Mapping[str, float] | None = None) -> Preset:
    """A saw with envelopes and a filter. Its cutoff moves only by `routes`."""
    return with_routes(with_values(init(), ENVELOPES | FILTER | PITCHED | dict(values or {})), *routes)


def with_lfo(preset: Preset, hz: float, destination: str, amount: float, bipolar: bool = True) -> Preset:
    values = {"lfo_1_sync": 0, "lfo_1_frequency": float(np.log2(hz))}
    sine = shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True)
    shaped = dataclasses.replace(with_values(preset, values), lfo_shapes=(sine, *preset.lfo_shapes[1:]))
    return with_routes(shaped, Route("lfo_1", destination, amount, bipolar=bipolar))


def filtered() -> Preset:
    return patch(OPENS)


def unfiltered() -> Preset:
    return patch(values={"filter_1_on": 0})


def vibrato() -> Preset:
    return with_lfo(patch(OPENS), 5.0, "osc_1_tune", 0.2)


def tremolo() -> Preset:
    """Without a filter; the LFO moves the level."""
    return with_lfo(unfiltered(), 4.0, "osc_1_level", -0.15, bipolar=False)


def crowded() -> Preset:
    """Five routes, three effects."""
    routes = [Route("env_2", name, 0.05) for name in ("filter_1_resonance", "osc_1_pan", "chorus_dry_wet")]
    effects = {"chorus_on": 1, "delay_on": 1, "phaser_on": 1, "delay_dry_wet": 0.1, "chorus_dry_wet": 0.1}
    return with_lfo(patch(OPENS, *routes, values=effects), 5.0, "osc_1_tune", 0.1)


def plucked() -> Preset:
    return patch(OPENS, values={"env_1_sustain": 0.0, "env_1_decay": 0.4**0.25})


def spacious() -> Preset:
    return patch(OPENS, values={"reverb_on": 1, "reverb_dry_wet": 0.2})


@pytest.fixture(scope="session")
def by_hand() -> SimpleNamespace:
    """`patches`, by name, and functions that make others: `patch`, `route`, `cycle`, `with_cycles`, `with_lfo`."""
    patches = (filtered, unfiltered, vibrato, tremolo, crowded, plucked, spacious)
    return SimpleNamespace(
        patches={make.__name__: make() for make in patches},
        patch=patch,
        route=Route,
        cycle=cycle,
        with_cycles=with_cycles,
        with_lfo=with_lfo,
    )


def knobs_of(spectra_db: np.ndarray, **others: float | np.ndarray) -> Knobs:
    """Knobs of a plucked saw whose filter closes; times in seconds, sustains as levels, Qs as they are."""
    values = {"attack": 0.01, "decay": 0.3, "sustain": 0.5, "release": 0.1, "decay_power": -2.0}
    values |= {"filter_attack": 0.005, "filter_decay": 0.3, "filter_sustain": 0.2, "filter_release": 0.2}
    values |= {"filter_decay_power": -2.0, "cutoff": 70.0, "amount": 30.0, "q": 1.0, "wet_db": -10.0, "t60": 1.0}
    values |= {"drawn_cutoff": np.zeros(N_NODES), "drawn_gain_db": np.zeros(N_NODES), **others}
    values["log_q"] = values.pop("q")
    for name, value in values.items():
        if "sustain" in name:
            values[name] = np.log(value / (1 - value))
        elif name in ("t60", "log_q") or name.endswith(("attack", "decay", "release")):
            values[name] = np.log(value)
    frames_db = np.broadcast_to(spectra_db, (N_FRAMES, spectra_db.shape[-1]))
    return Knobs(*(np.asarray({"spectrum_db": frames_db, **values}[name], np.float32) for name in Knobs._fields))


def line_tone(powers: np.ndarray, seconds: float, semitones: Callable[[np.ndarray], np.ndarray] | None = None):
    """[samples] of harmonics of note 48 with amplitudes whose squares are `powers`, with random phases."""
    time_s = np.arange(round(seconds * RENDER.sample_rate)) / RENDER.sample_rate
    hz = NOTE_HZ * 2 ** ((semitones(time_s) if semitones else np.zeros(len(time_s))) / 12)
    turns = np.cumsum(hz) / RENDER.sample_rate
    phases = np.random.default_rng(0).uniform(0, 1, len(powers))
    sines = (np.sin(2 * np.pi * ((k + 1) * turns + phase)) for k, phase in enumerate(phases))
    return sum(np.sqrt(power) * sine for power, sine in zip(powers, sines, strict=True))


def bands_of(powers: np.ndarray) -> np.ndarray:
    """[frames, bands] in dB, as a spectrogram shows steady tones with lines of these powers [frames, n]."""
    each_s = 0.3
    tones = np.concatenate([line_tone(frame, each_s) for frame in powers])
    shown = spectrogram(np.stack([tones, tones]).astype(np.float32), RENDER.sample_rate).db
    middles = np.split(shown[: round(100 * each_s) * len(powers)], len(powers))
    return np.stack([np.median(10 ** (part[5:-5] / 10), 0) for part in middles]).clip(1e-9)


def axes(moved: Callable[[np.ndarray], np.ndarray] | None = None) -> Axes:
    """Returns the axes of the spectrogram of a render."""
    still = spectrogram(np.zeros((2, RENDER.samples), np.float32), RENDER.sample_rate)
    audible = still.band_hz > NOTE_HZ / 2**0.5
    semitones = moved(still.time_s) if moved else None
    return axes_of(still.time_s, still.band_hz, RENDER.note_s, audible, semitones)


@pytest.fixture(scope="session")
def sketch() -> SimpleNamespace:
    """Knobs, axes and tables of a patch at note 48, and renders of its preset.

    `saw` is [1, n] powers of lines. `spectra_db(powers)` returns the spectrum that the model has for them.
    `play(*presets)` returns [2, samples] for each, with the settings of `render`.
    """
    saw = 1 / np.arange(1, 169.0)[None] ** 2

    def preset(name: str, knobs: Knobs, at: Axes, powers: np.ndarray = saw, **on: float) -> Preset:
        return patch_preset(SKELETONS[name]._replace(**on), knobs, at, [cycles(powers)], 0.0, "Found")

    def play(*presets: Preset) -> list[np.ndarray]:
        with RenderPool(RENDER, 2) as pool:
            return [one.audio[0] for one in pool.map(RenderJob(preset.to_json(), (NOTE,)) for preset in presets)]

    return SimpleNamespace(
        note=NOTE,
        note_hz=NOTE_HZ,
        render=RENDER,
        saw=saw,
        spectra_db=lambda powers: 10 * np.log10(bands_of(powers)),
        knobs=knobs_of,
        axes=axes,
        tone=line_tone,
        preset=preset,
        play=play,
    )
