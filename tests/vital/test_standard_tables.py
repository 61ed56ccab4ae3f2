"""Tests of vjax.vital.standard_tables: cycles against formulas, and sounds of the real engine."""

import base64
import copy

import numpy as np
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.checks import check_table
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.wavetables import VITAL_VERSION


def keyframes(table) -> list[dict]:
    return [k for group in table["groups"] for component in group["components"] for k in component["keyframes"]]


def cycles(table) -> np.ndarray:
    """[n, 2048]: the frames of a table, decoded here."""
    return np.stack([np.frombuffer(base64.b64decode(k["wave_data"]), "<f4") for k in keyframes(table)])


def spectrum(cycle: np.ndarray) -> np.ndarray:
    """Amplitudes of harmonics 0, 1, 2 ..."""
    return np.abs(np.fft.rfft(cycle)) / (len(cycle) / 2)


def test_standard_catalog_has_24_different_tables():
    catalog = standard_catalog()
    assert len(catalog) == 24
    assert len(set(catalog.names)) == 24
    assert [catalog.find(table) for table in catalog.tables] == list(range(24))
    for table in catalog.tables:
        check_table(table, table["name"])
        assert table["version"] == VITAL_VERSION


def test_standard_catalog_tables_fill_the_range_without_dc():
    for table in standard_catalog().tables:
        frames = cycles(table)
        np.testing.assert_allclose(np.abs(frames).max(1), 1, atol=1e-6, err_msg=table["name"])
        np.testing.assert_allclose(frames.mean(1), 0, atol=1e-6, err_msg=table["name"])


def test_standard_catalog_begins_with_the_init_table():
    init = synth.init_preset()["settings"]["wavetables"][0]
    np.testing.assert_array_equal(cycles(standard_catalog().tables[0]), cycles(init))
    assert standard_catalog().find(init) == 0


def test_standard_catalog_tables_have_the_spectra_of_their_names():
    """Fourier series by hand: square 1/n on odd harmonics, triangle 1/n^2 on odd ones, saw 1/n."""
    tables = dict(zip(standard_catalog().names, standard_catalog().tables, strict=True))
    order = np.arange(1, 10)
    odd = order % 2
    for name, frame, series in (
        ("Init", 0, 1 / order),
        ("Sine", 0, order == 1),
        ("Square", 0, odd / order),
        ("Triangle", 0, odd / order**2),
        ("Sine to Saw", 4, 1 / order),
        ("Saw to Square", 0, 1 / order),
        ("Saw to Square", 4, odd / order),
        ("Sine to Square", 4, odd / order),
        ("Harmonic Sweep", 2, order == 3),
    ):
        found = spectrum(cycles(tables[name])[frame])[1:10]
        np.testing.assert_allclose(found / found.max(), series, atol=0.01, err_msg=f"{name} {frame}")


def test_standard_catalog_vowels_peak_at_their_formants():
    """At 110 Hz, "heed" has its formants near harmonics 2.5 and 21, "hod" near 6.6 and 9.9."""
    vowels = standard_catalog().tables[standard_catalog().names.index("Vowels")]
    heed, hod = (spectrum(cycles(vowels)[i])[1:41] for i in (0, 3))
    assert int(np.argmax(heed[:10])) + 1 in (2, 3)
    assert int(np.argmax(heed[12:24])) + 13 == 21
    assert int(np.argmax(hod[:9])) + 1 in (6, 7)


@pytest.mark.slow
def test_standard_catalog_tables_are_audible_and_differ():
    """One oscillator at a time, all tables; each must be audible and differ from its neighbours."""
    config = RenderConfig(seconds=0.15, note_s=0.15)
    jobs = []
    for table in standard_catalog().tables:
        preset = copy.deepcopy(synth.init_preset())
        preset["settings"]["wavetables"][0] = table
        preset["settings"] |= {"osc_1_random_phase": 0.0, "osc_1_wave_frame": 100.0}
        jobs.append(RenderJob(preset, (48,)))
    with RenderPool(config, workers=2) as pool:
        renderings = list(pool.map(jobs))
    assert [rendering.error for rendering in renderings] == [""] * 24
    sounds = np.stack([rendering.audio[0, 0] for rendering in renderings])
    rms = np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=-1))
    assert (rms > 0.02).all(), dict(zip(standard_catalog().names, rms, strict=True))
    assert np.abs(sounds).max() < 1
    assert (np.abs(np.diff(sounds, axis=0)).max(1) > 0.01).all()
