"""Tests of benchmarks/instrument.py on sounds with known faults."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

RATE = 44100
T = np.arange(8 * RATE) / RATE
_spec = importlib.util.spec_from_file_location("instrument", Path(__file__).parents[2] / "benchmarks" / "instrument.py")
instrument = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(instrument)


def saw(start: int = 1) -> np.ndarray:
    """[2, 8 s] of harmonics 1/k, from `start` on."""
    return 0.1 * sum(np.sin(2 * np.pi * 220 * k * T) / k for k in range(start, 20))[None].repeat(2, 0)


def test_jump_db_steady_decaying_and_silent_sounds_do_not_jump():
    assert max(instrument.jump_db(saw(), 2.0)) < 0.1
    assert max(instrument.jump_db(saw() * np.exp(-2 * T), 2.0)) < 0.1
    assert instrument.jump_db(saw() * np.exp(-8 * T), 2.0) == (0.0, 0.0)  # it is over by then
    assert max(instrument.jump_db(saw() * (1 + 0.5 * np.sin(2 * np.pi * 3 * T)), 2.0)) < 1  # as much as around


def test_jump_db_changes_of_level_and_spectrum_are_measured_separately():
    level, spectral = instrument.jump_db(saw() * np.where(T < 2, 1, 2), 2.0)
    assert level == pytest.approx(6, abs=0.2)
    assert spectral < 0.5
    whole, upper = saw(), saw(4)
    scale = np.sqrt((whole**2).mean() / (upper**2).mean())
    level, spectral = instrument.jump_db(np.where(T < 2, whole, scale * upper), 2.0)
    assert level < 0.5
    assert spectral > 3


def test_rise_db_falling_release_is_0_and_loud_release_is_measured():
    assert instrument.rise_db(saw() * np.minimum(np.exp(-(T - 6) / 0.1), 1), 6.0) == 0
    assert instrument.rise_db(saw() * np.where(T < 6, 0.1, 1), 6.0) == pytest.approx(20, abs=0.5)


def test_octaves_between_is_positive_for_a_brighter_sound_and_none_for_silence():
    low, high = (0.1 * np.sin(2 * np.pi * hz * T)[None].repeat(2, 0) for hz in (220, 880))
    assert instrument.octaves_between(low, high) == pytest.approx(2, abs=0.01)
    assert instrument.octaves_between(high, 0.1 * high) == pytest.approx(0, abs=1e-6)
    assert instrument.octaves_between(low, 0 * low) is None
