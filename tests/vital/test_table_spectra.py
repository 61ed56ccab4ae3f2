"""Tests of vjax.vital.table_spectra: bands against sums of sines, the engine's tables, and distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.table_spectra import (
    BANDS,
    FLOOR_DB,
    FRAME_POSITIONS,
    cycle_spectrum,
    nearest_cycle,
    nearest_table,
    spectral_distance,
    table_spectra,
    with_spectra,
)
from vjax.vital.wavetables import WavetableCatalog, table_json

PITCH_HZ = 55.0
TIME_S = np.arange(8820) / 44100  # 0.2 s: 11 periods
# The harmonics of each band: 1 to 16 alone, then third octaves to the 128th.
HARMONICS = [[n] for n in range(1, 17)]
HARMONICS += [list(range(first, last)) for first, last in ((17, 21), (21, 26), (26, 33), (33, 41), (41, 51))]
HARMONICS += [list(range(first, last)) for first, last in ((51, 65), (65, 81), (81, 102), (102, 129))]


def sound(amplitudes, phases) -> np.ndarray:
    """[..., samples]: amplitudes and phases of harmonics 1, 2 ..., [..., n]."""
    orders = np.arange(1, np.shape(amplitudes)[-1] + 1)
    angle = 2 * np.pi * PITCH_HZ * orders[:, None] * TIME_S + np.asarray(phases)[..., None]
    return (np.asarray(amplitudes)[..., None] * np.sin(angle)).sum(-2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_cycle_spectrum_band_is_the_power_of_its_harmonics(seed):
    """Parseval by hand: sines of amplitudes a have, together, the level 10 log10(sum a^2)."""
    rng = np.random.default_rng(seed)
    amplitudes = 10 ** rng.uniform(-4, 0, (3, 128))
    levels = np.stack([10 * np.log10(np.square(amplitudes[:, np.array(n) - 1]).sum(-1)) for n in HARMONICS], -1)
    expected = np.maximum(levels, levels.max(-1, keepdims=True) - FLOOR_DB)
    found = cycle_spectrum(sound(amplitudes, rng.uniform(0, 2 * np.pi, (3, 128))))
    assert (found.shape, found.dtype, BANDS) == ((3, 25), np.float32, 25)
    # A Hann window keeps harmonics 11 bins apart to themselves, but for side lobes.
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_cycle_spectrum_of_a_full_scale_sine_is_0_db_in_one_band():
    for harmonic in (1, 5, 16, 30):
        level = cycle_spectrum(sound(np.eye(128)[harmonic - 1], np.zeros(128)))
        (band,) = (i for i, numbers in enumerate(HARMONICS) if harmonic in numbers)
        assert level[band] == pytest.approx(0, abs=0.01)
        np.testing.assert_allclose(np.delete(level, band), -FLOOR_DB, atol=0.01)


def test_cycle_spectrum_of_silence_is_flat_and_finite():
    level = cycle_spectrum(np.zeros((2, 8820)))
    assert np.isfinite(level).all()
    assert np.ptp(level) == 0


def standard(*names: str) -> list[dict]:
    return [standard_catalog().tables[standard_catalog().names.index(name)] for name in names]


def test_table_spectra_equal_the_fourier_series():
    """Fourier series by hand: a sine, a saw's 1/n (6 dB an octave), a square's odd harmonics."""
    sine, saw, square = table_spectra(standard("Sine", "Init", "Square"), positions=[(0.0,)] * 3)[:, 0]
    assert (sine[0] - sine[1:] > 55).all()
    slopes = saw[[0, 1, 3, 7]] - saw[[1, 3, 7, 15]]
    np.testing.assert_allclose(slopes, 20 * np.log10(2), atol=0.3)
    np.testing.assert_allclose(square[2:15:2] - square[0], -20 * np.log10(np.arange(3, 16, 2)), atol=0.3)
    assert (square[0] - square[1:16:2] > 35).all()


def test_table_spectra_are_at_the_requested_positions():
    """Of "Harmonic Sweep" (1, 2, 3, 4, 5, 6, 8) the strongest band is the frame's harmonic."""
    (found,) = table_spectra(standard("Harmonic Sweep"), positions=[(0.0, 43.0, 85.0, 128.0, 256.0)])
    assert (found.argmax(-1) + 1).tolist() == [1, 2, 3, 4, 8]
    (everywhere,) = table_spectra(standard("Harmonic Sweep"))
    assert everywhere.shape == (len(FRAME_POSITIONS), BANDS)
    np.testing.assert_allclose(everywhere[[0, 4, 8]], found[[0, 3, 4]], atol=0.1)


def test_table_spectra_of_a_table_that_crashes_the_engine_raises():
    (broken,) = standard("Sine")
    broken = {**broken, "groups": [{"components": [{"type": "No Such Source", "keyframes": []}]}]}
    with pytest.raises(ValueError, match="wavetable 'Sine': crashed"):
        table_spectra([broken])


def catalog(*levels: float) -> WavetableCatalog:
    """Tables of one cycle with hand-made spectra: a level in all frames and bands, in dB; NaN for none."""
    tables = [table_json(f"T{i}", np.roll(np.hanning(2048), i)[None]) for i in range(len(levels))]
    flat = np.ones((len(FRAME_POSITIONS), BANDS), np.float32)
    return WavetableCatalog(tuple(tables), np.stack([level * flat for level in levels]))


def test_with_spectra_renders_only_tables_without_spectra():
    entries = catalog(-10, np.nan, -30)
    filled = with_spectra(entries)
    np.testing.assert_array_equal(filled.spectra[[0, 2]], entries.spectra[[0, 2]])
    np.testing.assert_array_equal(filled.spectra[1], table_spectra(entries.tables[1:2])[0])
    assert filled.tables == entries.tables
    assert np.isnan(entries.spectra[1]).all()
    assert with_spectra(filled) is filled


def test_with_spectra_of_the_shipped_catalog_changes_nothing():
    shipped = default_vocabulary().wavetables
    assert with_spectra(shipped) is shipped


def test_spectral_distance_is_the_mean_difference_of_bands():
    first, second = np.zeros((4, 1, BANDS)), np.zeros((3, BANDS))
    second[1, :5] = 10.0
    expected = np.tile([0, 10 * 5 / BANDS, 0], (4, 1))
    np.testing.assert_allclose(spectral_distance(first, second), expected)


def test_nearest_table_and_nearest_cycle_by_hand():
    entries = catalog(-10, -20, -30)
    entries.spectra[2, 5] = -50
    still = np.full(BANDS, -48.0)
    assert nearest_cycle(entries, still) == (2, FRAME_POSITIONS[5], pytest.approx(2.0))
    moving = np.full((len(FRAME_POSITIONS), BANDS), -19.0)
    assert nearest_table(entries, moving) == (1, pytest.approx(1.0))
    moving[5] = -70.0
    index, distance = nearest_table(entries, moving)
    assert (index, distance) == (1, pytest.approx((8 * 1 + 50) / 9))
    assert nearest_table(entries, entries.spectra[2]) == (2, 0.0)
