"""Patches made by hand, for the tests of this folder: the fixture `by_hand` holds the functions that make them."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.values import with_routes, with_values
from vjax.vital.wavetables import FRAME, table_json

NOTE = 48
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
    """A saw with envelopes and a filter, whose cutoff does not move unless routes move it."""
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
    """`patches`, by name; and what makes others: `patch`, `route`, `cycle`, `with_cycles`, `with_lfo`."""
    patches = (filtered, unfiltered, vibrato, tremolo, crowded, plucked, spacious)
    return SimpleNamespace(
        patches={make.__name__: make() for make in patches},
        patch=patch,
        route=Route,
        cycle=cycle,
        with_cycles=with_cycles,
        with_lfo=with_lfo,
    )
