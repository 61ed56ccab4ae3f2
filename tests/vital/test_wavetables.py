"""The wavetable catalog: what goes in comes out, identity by content, and the standard tables in the real engine."""

import base64
import copy
import json

import numpy as np
import pytest

from vjax.vital import engine
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.wavetables import (
    FRAME,
    VITAL_VERSION,
    WavetableCatalog,
    standard_catalog,
    table_json,
    table_key,
)


def keyframes(table) -> list[dict]:
    return [k for group in table["groups"] for component in group["components"] for k in component["keyframes"]]


def cycles(table) -> np.ndarray:
    """[n, 2048]: the frames of a table, decoded here."""
    return np.stack([np.frombuffer(base64.b64decode(k["wave_data"]), "<f4") for k in keyframes(table)])


def spectrum(cycle: np.ndarray) -> np.ndarray:
    """Amplitudes of harmonics 0, 1, 2 ..."""
    return np.abs(np.fft.rfft(cycle)) / (len(cycle) / 2)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, FRAME)).astype(np.float32)


@pytest.mark.parametrize(("n", "positions"), [(1, [0]), (2, [0, 256]), (5, [0, 64, 128, 192, 256])])
def test_frames_come_back_and_span_the_positions(n, positions):
    table = json.loads(json.dumps(table_json("Noise", noise(n))))
    np.testing.assert_array_equal(cycles(table), noise(n))
    assert [keyframe["position"] for keyframe in keyframes(table)] == positions
    assert (table["name"], table["version"]) == ("Noise", VITAL_VERSION)


def test_as_many_frames_as_positions():
    assert [k["position"] for k in keyframes(table_json("Full", noise(257)))] == list(range(257))


@pytest.mark.parametrize("shape", [(FRAME,), (0, FRAME), (2, FRAME - 1), (258, FRAME)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"frames have shape .*; a table needs \[n, 2048\], n from 1 to 257"):
        table_json("Bad", np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_frames_that_are_no_numbers_are_refused(value):
    frames = noise(3)
    frames[2, 100] = value
    with pytest.raises(ValueError, match="frame 2 of 'Bad' holds NaN or infinity"):
        table_json("Bad", frames)


def test_standard_catalog_holds_24_different_tables():
    catalog = standard_catalog()
    assert len(catalog) == 24
    assert len(set(catalog.names)) == 24
    assert [catalog.find(table) for table in catalog.tables] == list(range(24))
    assert all(table["version"] == VITAL_VERSION for table in catalog.tables)


def test_standard_tables_fill_the_range_without_dc():
    for table in standard_catalog().tables:
        frames = cycles(table)
        np.testing.assert_allclose(np.abs(frames).max(1), 1, atol=1e-6, err_msg=table["name"])
        np.testing.assert_allclose(frames.mean(1), 0, atol=1e-6, err_msg=table["name"])


def test_entry_0_is_the_init_table_of_the_engine():
    init = engine.init_preset()["settings"]["wavetables"][0]
    np.testing.assert_array_equal(cycles(standard_catalog().tables[0]), cycles(init))
    assert standard_catalog().find(init) == 0


def test_standard_tables_have_the_spectra_of_their_names():
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


def test_vowels_peak_at_their_formants():
    """At 110 Hz, "heed" has its formants near harmonics 2.5 and 21, "hod" near 6.6 and 9.9."""
    vowels = standard_catalog().tables[standard_catalog().names.index("Vowels")]
    heed, hod = (spectrum(cycles(vowels)[i])[1:41] for i in (0, 3))
    assert int(np.argmax(heed[:10])) + 1 in (2, 3)
    assert int(np.argmax(heed[12:24])) + 13 == 21
    assert int(np.argmax(hod[:9])) + 1 in (6, 7)


def test_json_string_round_trip():
    again = WavetableCatalog.from_json_string(standard_catalog().to_json_string())
    assert again == standard_catalog()
    assert again.names == standard_catalog().names


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tables": 5}', '{"tables": "Saw"}', '{"tables": []}', '{"tables": [3]}']
)
def test_other_text_is_no_catalog(text):
    with pytest.raises(ValueError, match="not a wavetable catalog"):
        WavetableCatalog.from_json_string(text)


def test_a_table_is_known_by_content_not_by_name():
    first = table_json("Noise", noise(2))
    renamed = {**first, "name": "Other", "author": "me", "version": "1.0.6"}
    different = table_json("Noise", noise(2, seed=1))
    assert table_key(first) == table_key(renamed) != table_key(different)
    catalog = standard_catalog().extended([first])
    assert (catalog.find(renamed), catalog.find(different)) == (24, None)


def test_of_equal_tables_the_first_is_found():
    first = table_json("A", noise(1))
    assert WavetableCatalog((standard_catalog().tables[1], first, {**first, "name": "B"})).find(first) == 1


def test_extended_adds_each_new_content_once_in_order():
    saw = {**standard_catalog().tables[0], "name": "My saw"}
    first, second = table_json("A", noise(1)), table_json("A", noise(1, seed=1))
    catalog = standard_catalog().extended([second, saw, {**first, "version": "1.0.6"}, {**second, "name": "B"}])
    assert len(catalog) == 26
    assert catalog.tables[:24] == standard_catalog().tables
    assert (catalog.find(second), catalog.find(first), catalog.find(saw)) == (24, 25, 0)
    assert all(table["version"] == VITAL_VERSION for table in catalog.tables)
    assert len(standard_catalog()) == 24


def test_standard_tables_sound_in_the_engine():
    """One oscillator at a time, all tables; each must be heard and sound different from its neighbours."""
    config = RenderConfig(seconds=0.15, note_s=0.15)
    jobs = []
    for table in standard_catalog().tables:
        preset = copy.deepcopy(engine.init_preset())
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
