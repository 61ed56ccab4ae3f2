"""Tests of vjax.vital.wavetables: frames, identity by content, unique names, and the text form."""

import base64
import json

import numpy as np
import pytest

from vjax.vital.standard_tables import standard_catalog
from vjax.vital.table_spectra import BANDS, FRAME_POSITIONS
from vjax.vital.wavetables import (
    FRAME,
    VITAL_VERSION,
    WavetableCatalog,
    n_keyframes,
    table_json,
    table_key,
    unique_name,
)


def keyframes(table) -> list[dict]:
    return [k for group in table["groups"] for component in group["components"] for k in component["keyframes"]]


def cycles(table) -> np.ndarray:
    """[n, 2048]: the frames of a table, decoded here."""
    return np.stack([np.frombuffer(base64.b64decode(k["wave_data"]), "<f4") for k in keyframes(table)])


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, FRAME)).astype(np.float32)


@pytest.mark.parametrize(("n", "positions"), [(1, [0]), (2, [0, 256]), (5, [0, 64, 128, 192, 256])])
def test_table_json_stores_frames_evenly_over_the_positions(n, positions):
    table = json.loads(json.dumps(table_json("Noise", noise(n))))
    np.testing.assert_array_equal(cycles(table), noise(n))
    assert [keyframe["position"] for keyframe in keyframes(table)] == positions
    assert (table["name"], table["version"]) == ("Noise", VITAL_VERSION)


def test_table_json_with_257_frames_has_one_at_each_position():
    assert [k["position"] for k in keyframes(table_json("Full", noise(257)))] == list(range(257))


@pytest.mark.parametrize("shape", [(FRAME,), (0, FRAME), (2, FRAME - 1), (258, FRAME)])
def test_table_json_with_a_wrong_shape_raises(shape):
    with pytest.raises(ValueError, match=r"frames have shape .*; a table needs \[n, 2048\], n from 1 to 257"):
        table_json("Bad", np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_table_json_with_nan_or_infinity_raises(value):
    frames = noise(3)
    frames[2, 100] = value
    with pytest.raises(ValueError, match="frame 2 of 'Bad' contains NaN or infinity"):
        table_json("Bad", frames)


def with_random_spectra(catalog: WavetableCatalog) -> WavetableCatalog:
    """Spectra in tenths of a dB, as the text keeps them; table 2 has none."""
    tenths = np.random.default_rng(0).integers(-1200, 10, (len(catalog), len(FRAME_POSITIONS), BANDS))
    spectra = (tenths / 10).astype(np.float32)
    spectra[2] = np.nan
    return WavetableCatalog(catalog.tables, spectra)


def test_from_json_string_of_to_json_string_is_equal():
    again = WavetableCatalog.from_json_string(standard_catalog().to_json_string())
    assert (again.tables, again.spectra) == (standard_catalog().tables, None)
    assert again.names == standard_catalog().names
    measured = with_random_spectra(standard_catalog())
    again = WavetableCatalog.from_json_string(measured.to_json_string())
    assert again.tables == measured.tables
    assert again.spectra.dtype == np.float32
    np.testing.assert_array_equal(again.spectra, measured.spectra)  # NaN too
    assert again.to_json_string() == measured.to_json_string()


def test_to_json_string_keeps_spectra_to_a_twentieth_of_a_db():
    spectra = np.linspace(-120, 6, BANDS * len(FRAME_POSITIONS)).reshape(1, -1, BANDS).astype(np.float32)
    catalog = WavetableCatalog(standard_catalog().tables[:1], spectra)
    again = WavetableCatalog.from_json_string(catalog.to_json_string())
    np.testing.assert_allclose(again.spectra, spectra, atol=0.0501)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"tables": 5}', '{"tables": "Saw"}', '{"tables": []}', '{"tables": [3]}'),
        '{"tables": [{}], "spectra": 5}',
        '{"tables": [{}], "spectra": {}}',
        '{"tables": [{}], "spectra": {"shape": [1, 1, 2], "tenths_of_db": "AAAA"}}',
        '{"tables": [{}], "spectra": {"shape": [2, 1, 1], "tenths_of_db": "AAAAAA=="}}',
        '{"tables": [{}], "spectra": {"shape": [1, 2], "tenths_of_db": "AAAAAA=="}}',
    ],
)
def test_from_json_string_of_other_text_raises(text):
    with pytest.raises(ValueError, match="not a wavetable catalog"):
        WavetableCatalog.from_json_string(text)


def test_table_key_depends_on_content_not_on_name():
    first = table_json("Noise", noise(2))
    renamed = {**first, "name": "Other", "author": "me", "version": "1.0.6"}
    different = table_json("Noise", noise(2, seed=1))
    assert table_key(first) == table_key(renamed) != table_key(different)
    catalog = standard_catalog().extended([first])
    assert (catalog.find(renamed), catalog.find(different)) == (24, None)


def test_find_of_equal_tables_returns_the_first():
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


def test_extended_and_chosen_keep_the_spectra():
    measured = with_random_spectra(standard_catalog())
    grown = measured.extended([table_json("A", noise(1))])
    np.testing.assert_array_equal(grown.spectra[:24], measured.spectra)
    assert np.isnan(grown.spectra[24]).all()
    assert grown.spectra.dtype == np.float32
    picked = grown.chosen([5, 24, 0])
    assert picked.tables == (grown.tables[5], grown.tables[24], grown.tables[0])
    np.testing.assert_array_equal(picked.spectra, grown.spectra[[5, 24, 0]])
    assert standard_catalog().chosen([3]).spectra is None


def test_extended_makes_names_unique():
    """Half of all users' tables are named "Init"."""
    tables = [table_json(name, noise(1, seed)) for seed, name in enumerate(("Init", "Init", "", "Bell", "Mine"))]
    catalog = standard_catalog().extended(tables)
    keys = [table_key(table)[:4] for table in tables]
    expected = (f"Init #{keys[0]}", f"Init #{keys[1]}", f"#{keys[2]}", f"Bell #{keys[3]}", "Mine")
    assert catalog.names[24:] == expected
    assert len(set(catalog.names)) == len(catalog)
    assert [catalog.find(table) for table in tables] == list(range(24, 29))


def test_unique_name_uses_the_shortest_free_part_of_the_key():
    assert unique_name("Saw", "0123456789abcdef", ()) == "Saw"
    assert unique_name("Saw", "0123456789abcdef", {"Saw"}) == "Saw #0123"
    assert unique_name("Saw", "0123456789abcdef", {"Saw", "Saw #0123"}) == "Saw #01234"
    taken = {"Saw", *(f"Saw #{'0123456789abcdef'[:n]}" for n in range(4, 17))}
    with pytest.raises(ValueError, match="wavetable 'Saw' with key 0123456789abcdef is already in the catalog"):
        unique_name("Saw", "0123456789abcdef", taken)


def test_n_keyframes_is_the_largest_count_of_a_component():
    assert [n_keyframes(table_json("N", noise(n))) for n in (1, 5)] == [1, 5]
    one = table_json("One", noise(1))
    components = [one["groups"][0]["components"][0], {"type": "Line Source", "keyframes": None}]
    assert n_keyframes({**one, "groups": [{"components": components}, {"components": []}]}) == 1
    assert n_keyframes({**one, "groups": []}) == 0
