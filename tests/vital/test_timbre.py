"""Tests of the timbre labels of cycles."""

from collections.abc import Sequence

import numpy as np
import pytest

from vjax.vital.standard_tables import standard_catalog
from vjax.vital.timbre import cycle_at, timbre_of
from vjax.vital.wavetables import FRAME, table_json

K = np.arange(1, 200)
STANDARD = dict(zip(standard_catalog().names, standard_catalog().tables, strict=True))


def cycle(amplitudes: Sequence[float]) -> np.ndarray:
    """[2048] of harmonics from the first on, as sines."""
    number = np.arange(1, len(amplitudes) + 1)[:, None]
    return np.sum(np.reshape(amplitudes, (-1, 1)) * np.sin(2 * np.pi * number * np.arange(FRAME) / FRAME), 0)


@pytest.mark.parametrize(
    ("name", "label", "slope_db", "missing"),
    [
        ("Init", "saw-like", -6, 0),
        ("Square", "square-like", -6, 2),
        ("Triangle", "triangle-like", -12, 2),
        ("Sine", "sine-like", 0, 0),
        ("Pulse 25", "pulse-like", -6, 4),
        ("Half Sine", "mellow", -12.5, 0),
    ],
)
def test_timbre_of_classic_waveforms_returns_their_labels(name: str, label: str, slope_db: float, missing: int):
    found = timbre_of(cycle_at(STANDARD[name], 0))
    assert (found.label, found.missing, found.first) == (label, missing, 1)
    assert found.slope_db == pytest.approx(slope_db, abs=0.5)


@pytest.mark.parametrize("slope_db", [-15.0, -10.0, -6.0, -2.0])
def test_timbre_of_random_phases_and_levels_has_the_slope_of_the_harmonics(slope_db: float):
    rng = np.random.default_rng(0)
    amplitude = K ** (slope_db / 6.02) * 10 ** (rng.normal(0, 2, len(K)) / 20)
    spectrum = np.zeros(FRAME // 2 + 1, complex)
    spectrum[K] = amplitude * np.exp(2j * np.pi * rng.random(len(K)))
    found = timbre_of(np.fft.irfft(spectrum))
    assert found.slope_db == pytest.approx(slope_db, abs=1)
    assert found.label == ("mellow" if slope_db < -8.5 else "bright" if slope_db > -4 else "saw-like")


def test_timbre_of_bright_odd_harmonics_is_hollow():
    assert timbre_of(cycle([1, 0, 1, 0, 1, 0, 1, 0, 1])).label == "hollow"


def test_timbre_of_even_harmonics_only_begins_at_the_second():
    found = timbre_of(cycle([0, 1, 0, 1 / 2, 0, 1 / 3, 0, 1 / 4, 0, 1 / 5, 0, 1 / 6]))
    assert (found.label, found.first) == ("saw-like", 2)


def test_timbre_of_a_dense_table_of_a_saw_is_saw_like():
    lines = np.full(400, 0.002)
    lines[3::4] = 1 / np.arange(1, 101)
    found = timbre_of(cycle(lines))
    assert (found.label, found.first) == ("saw-like", 4)


def test_timbre_of_lines_between_harmonics_is_inharmonic_or_noise_like():
    assert timbre_of(cycle([0, 0, 0, 1, 0, 0, 0.5, 0, 0, 0.4, 0, 0, 0.3])).label == "inharmonic"
    assert timbre_of(cycle([0, 0, 0, *np.ones(100)])).label == "noise-like"


def test_timbre_of_silence_and_inaudible_harmonics_is_silent():
    assert timbre_of(np.zeros(FRAME)).label == "silent"
    assert timbre_of(cycle([0, 0, 0, 1]), highest=3).label == "silent"


def test_cycle_at_a_position_between_two_cycles_is_their_mixture():
    first, last = cycle([1]), cycle([0, 1])
    table = table_json("two", np.stack([first, last]))
    np.testing.assert_allclose(cycle_at(table, 64), 0.75 * first + 0.25 * last, atol=1e-6)
    np.testing.assert_allclose(cycle_at(table, 256), last, atol=1e-6)


def test_cycle_at_a_table_without_plain_cycles_is_none():
    table = table_json("one", np.zeros((1, FRAME)))
    (component,) = table["groups"][0]["components"]
    component["type"] = "Line Source"
    assert cycle_at(table, 0) is None
    component |= {"type": "Wave Source", "keyframes": None}
    assert cycle_at(table, 0) is None
