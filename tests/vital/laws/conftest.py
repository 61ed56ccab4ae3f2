"""Fixtures for the tests of the laws: sounds of the real engine, many settings of a preset at a time."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePool, Variation

QUIET = {  # a steady tone, at the level where filters do not saturate
    "osc_1_level": 0.1,
    "osc_1_random_phase": 0.0,
    "env_1_attack": 0.0,
    "env_1_sustain": 1.0,
}


@pytest.fixture(scope="session")
def play() -> Callable[..., np.ndarray]:
    """`play(variations, settings={}, note=33, seconds=0.5, note_s=None, velocity=1.0)`: [n, 2, samples].

    A preset with `settings`, over QUIET and the init patch, with some controls varied.
    """

    def make(
        variations: Sequence[Mapping[str, float]],
        settings: Mapping = {},
        note: int = 33,
        seconds: float = 0.5,
        note_s: float | None = None,
        velocity: float = 1.0,
    ) -> np.ndarray:
        init = synth.init_preset()
        preset = {**init, "settings": {**init["settings"], **QUIET, **settings}}
        config = RenderConfig(seconds=seconds, note_s=note_s or seconds, velocity=velocity)
        sounds: list = [None] * len(variations)
        with LivePool(config) as pool:
            pool.load("preset", preset, note)
            jobs = [Variation("preset", dict(values)) for values in variations]
            for i, rendering in pool.render(jobs):
                assert rendering.audio is not None, rendering.error
                sounds[i] = rendering.audio[0]
        return np.stack(sounds)

    return make


@pytest.fixture(scope="session")
def harmonics_db() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """`harmonics_db(audio, pitch_hz=55)`: (frequencies, levels in dB) in the last 0.2 s, a whole number of periods."""

    def measure(audio: np.ndarray, pitch_hz: float = 55.0) -> tuple[np.ndarray, np.ndarray]:
        periods, samples = round(pitch_hz * 0.2), 8820
        tail = audio[..., -samples:] * np.hanning(samples + 1)[:samples]
        count = int(21600 / pitch_hz)
        levels = np.abs(np.fft.rfft(tail))[..., periods * np.arange(1, count)]
        return pitch_hz * np.arange(1, count), 20 * np.log10(levels + 1e-12)

    return measure
