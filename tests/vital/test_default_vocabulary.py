"""Tests of vjax.vital.default_vocabulary: the shipped entries, their credits, and reading and writing."""

import base64
import dataclasses
import gzip
import importlib.resources
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from vjax.sound.schema import CATALOG_CHOICES
from vjax.vital import default_vocabulary as module
from vjax.vital.checks import check_curve, check_table
from vjax.vital.default_vocabulary import (
    default_vocabulary,
    read_vocabulary,
    to_cycles,
    vocabulary_of,
    write_vocabulary,
)
from vjax.vital.lfo_shapes import shape_json, shape_values, standard_shapes
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.table_spectra import BANDS, FRAME_POSITIONS, spectral_distance, table_spectra
from vjax.vital.vocabulary import Vocabulary
from vjax.vital.wavetables import FRAME, n_keyframes, table_json

PRESETS = Path(__file__).parents[1] / "data" / "presets"
SHIPPED = default_vocabulary()


def test_default_vocabulary_is_large_and_its_entries_are_unique():
    assert len(SHIPPED.wavetables) >= 90
    assert len(SHIPPED.lfo_shapes) >= 50
    for catalog, entries in (
        (SHIPPED.wavetables, SHIPPED.wavetables.tables),
        (SHIPPED.lfo_shapes, SHIPPED.lfo_shapes.shapes),
    ):
        assert len(set(catalog.names)) == len(catalog)
        assert [catalog.find(entry) for entry in entries] == list(range(len(catalog)))


def test_default_vocabulary_begins_with_the_standard_entries():
    standard, shapes = standard_catalog(), standard_shapes()
    assert SHIPPED.wavetables.tables[: len(standard)] == standard.tables
    assert SHIPPED.lfo_shapes.shapes[: len(shapes)] == shapes.shapes


def test_default_vocabulary_entries_pass_the_checks():
    for table in SHIPPED.wavetables.tables:
        check_table(table, table["name"])
    for shape in SHIPPED.lfo_shapes.shapes:
        check_curve(shape, shape["name"])


def test_default_vocabulary_tables_of_others_have_an_author_and_full_range():
    others = SHIPPED.wavetables.tables[len(standard_catalog()) :]
    for table in others:
        assert table["author"]
        assert table["author"] != "vjax"
        assert n_keyframes(table) == len(FRAME_POSITIONS)
        (component,) = table["groups"][0]["components"]
        data = b"".join(base64.b64decode(keyframe["wave_data"]) for keyframe in component["keyframes"])
        assert np.abs(np.frombuffer(data, "<f4")).max() == pytest.approx(1, abs=1e-4)


def test_default_vocabulary_entries_are_not_alike():
    """Collected with thresholds: 1 dB between tables, 0.02 between shapes; the standard ones may be nearer."""
    spectra = SHIPPED.wavetables.spectra
    distances = spectral_distance(spectra[:, None], spectra[None]).mean(-1)
    curves = np.stack([shape_values(shape) for shape in SHIPPED.lfo_shapes.shapes])
    differences = np.abs(curves[:, None] - curves[None]).mean(-1)
    for matrix, least, n_standard in (
        (distances, 0.99, len(standard_catalog())),  # stored in half precision
        (differences, 0.02, len(standard_shapes())),
    ):
        assert np.tril(np.ones_like(matrix), -1)[n_standard:].any()
        assert (matrix[np.tril_indices(len(matrix), -1)] > 0).all()
        assert min(matrix[i, :i].min() for i in range(n_standard, len(matrix))) >= least


def test_default_vocabulary_spectra_equal_the_engine():
    assert SHIPPED.wavetables.spectra.shape == (len(SHIPPED.wavetables), len(FRAME_POSITIONS), BANDS)
    chosen = np.random.default_rng(20).choice(len(SHIPPED.wavetables), 3, replace=False)
    found = table_spectra([SHIPPED.wavetables.tables[i] for i in chosen])
    assert spectral_distance(found, SHIPPED.wavetables.spectra[chosen]).max() < 0.3


def test_default_vocabulary_files_are_packaged_and_credited():
    folder = importlib.resources.files("vjax.vital")
    names = ("default_tables.npz", "default_shapes.json", "CREDITS.md")
    assert all(folder.joinpath(name).is_file() for name in names)
    assert sum(len(folder.joinpath(name).read_bytes()) for name in names) < 4e6
    credits = folder.joinpath("CREDITS.md").read_text()
    for source in ("atsushieno/open-vital-resources", "CC0", "instatetragrammaton/Patches", "CC BY 4.0", *names[:2]):
        assert source in credits
    n_others = len(SHIPPED.wavetables) - len(standard_catalog())
    assert f"{n_others} of the" in credits


def test_default_vocabulary_schema_offers_all_entries():
    schema = SHIPPED.schema()
    assert schema.option_counts[schema.position["osc_3_wavetable"]] == len(SHIPPED.wavetables)
    assert schema.option_counts[schema.position["lfo_8_shape"]] == len(SHIPPED.lfo_shapes)


def test_vocabulary_of_stored_text_is_that_vocabulary():
    small = Vocabulary(SHIPPED.wavetables.chosen([0, 5]), SHIPPED.lfo_shapes.first(3))
    assert vocabulary_of(small.to_json_string(), small.schema()).wavetables.names == small.wavetables.names


def test_vocabulary_of_a_schema_without_choices_is_the_shipped_one():
    plain = [menu for menu in SHIPPED.schema().categorical if menu.name not in CATALOG_CHOICES]
    schema = dataclasses.replace(SHIPPED.schema(), categorical=tuple(plain))
    assert vocabulary_of(None, schema) is vocabulary_of("", schema) is SHIPPED


def test_vocabulary_of_choices_without_a_catalog_raises():
    with pytest.raises(ValueError, match=r"choose osc_1_wavetable from .* but they have no catalog; give them"):
        vocabulary_of(None, SHIPPED.schema())


@pytest.mark.parametrize(("tables", "shapes", "named"), [(1, 3, "osc_1_wavetable"), (2, 2, "lfo_1_shape")])
def test_vocabulary_of_a_too_small_catalog_raises(tables, shapes, named):
    schema = Vocabulary(SHIPPED.wavetables.chosen([0, 5]), SHIPPED.lfo_shapes.first(3)).schema()
    smaller = Vocabulary(SHIPPED.wavetables.chosen(range(tables)), SHIPPED.lfo_shapes.first(shapes))
    with pytest.raises(ValueError, match=f"{named} from . entries, but their catalog has"):
        vocabulary_of(smaller.to_json_string(), schema)


def test_vocabulary_of_no_text_and_no_schema_warns(caplog):
    with caplog.at_level("WARNING", logger="absl"):
        assert vocabulary_of(None) is SHIPPED
    assert "taken from the shipped catalog and may be wrong" in caplog.text


@pytest.mark.parametrize("name", ["catalog.json", "catalog.json.gz"])
def test_read_vocabulary_of_a_written_file_is_equal(tmp_path, name):
    small = Vocabulary(SHIPPED.wavetables.chosen([0, 50]), SHIPPED.lfo_shapes.first(40))
    write_vocabulary(tmp_path / name, small)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")
    again = read_vocabulary(tmp_path / name)
    assert again.to_json_string() == small.to_json_string()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith(".gz"):
        assert (tmp_path / name).read_bytes()[4:8] == bytes(4)  # no time of writing: equal files for equal content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"\x1f\x8b",
        b"\x1f\x8bno gzip",
        gzip.compress(b"{}"),
        gzip.compress(b"[1]" * 99)[:-9],
        b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 99,
    ],
    ids=[
        "empty",
        "json",
        "not UTF-8",
        "short",
        "no gzip",
        "no tables",
        "cut off",
        "damaged",
    ],  # ids, because gzip contains the time
)
def test_read_vocabulary_of_another_file_names_it(tmp_path, content):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.json is not a catalog of `vjax catalog build`: "):
        read_vocabulary(tmp_path / "bad.json")


def audio_table(cycles: np.ndarray, name: str = "Audio") -> dict:
    """Cycles of any length [n, length] as an editor's "Audio File Source", from the first cycle to the last."""
    length = cycles.shape[1]
    audio = np.rint(cycles.ravel() * 32767).astype("<i2")
    component = {
        "audio_file": base64.b64encode(audio.tobytes()).decode("ascii"),
        "audio_sample_rate": 44100,
        "fade_style": 3,  # whole cycles, none faded into the next
        "interpolation_style": 1,
        "keyframes": [
            {"position": 0, "start_position": 0.0, "window_fade": 1.0, "window_size": float(length)},
            {
                "position": 256,
                "start_position": float(length * (len(cycles) - 1)),
                "window_fade": 1.0,
                "window_size": float(length),
            },
        ],
        "normalize_gain": False,
        "normalize_mult": False,
        "phase_style": 0,
        "random_seed": 0,
        "type": "Audio File Source",
        "window_size": float(length),
    }
    return {**table_json(name, np.zeros((1, FRAME))), "author": "somebody", "groups": [{"components": [component]}]}


def harmonics(n: int, length: int) -> np.ndarray:
    """[n, length]: cycle i is harmonic i + 1 and a little of the first."""
    phase = 2 * np.pi * np.arange(length) / length
    return np.stack([0.7 * np.sin((i + 1) * phase) + 0.2 * np.sin(phase) for i in range(n)])


@pytest.mark.parametrize("length", [256, 2048, 600])
def test_to_cycles_resamples_cycles_of_any_length(length):
    """Resampled as periodic signals: the same formula at another length."""
    found = to_cycles(audio_table(harmonics(17, length)))
    assert found.shape == (9, FRAME)
    np.testing.assert_allclose(found, harmonics(17, FRAME)[::2], atol=2e-4)


def test_to_cycles_of_another_kind_of_table_raises():
    with pytest.raises(ValueError, match="'Init' is not one audio file with one or two keyframes"):
        to_cycles(standard_catalog().tables[0])


def test_to_cycles_of_one_keyframe_repeats_its_cycle():
    table = audio_table(harmonics(17, FRAME))
    table["groups"][0]["components"][0]["keyframes"][1:] = []
    np.testing.assert_allclose(to_cycles(table), np.tile(harmonics(1, FRAME), (9, 1)), atol=2e-4)


@pytest.mark.slow
def test_main_makes_the_two_files_again(tmp_path, monkeypatch, capsys):
    """From two tables and a preset, with the command that made the shipped ones."""
    for name, cycles in (("Harmonics", harmonics(17, 256)), ("Fading", harmonics(9, 256)[::-1])):
        (tmp_path / f"{name}.vitaltable").write_text(json.dumps(audio_table(cycles, name)))
    preset = json.loads((PRESETS / "Chippy_Klassic.vital").read_bytes())
    preset["settings"]["lfos"][0] = shape_json("Triangle", [(0, 0.5), (0.9, 0.7), (1, 0.1)])
    (tmp_path / "hand_drawn.vital").write_text(json.dumps(preset))
    monkeypatch.setattr(sys, "argv", ["default_vocabulary", str(tmp_path), str(tmp_path), "--out", str(tmp_path)])
    module.main()
    text = capsys.readouterr().out
    assert f"{len(standard_catalog()) + 2} tables, {len(standard_shapes()) + 1} LFO shapes" in text
    # The cycles are cut and scaled well: the engine plays them as it plays the files.
    median_db, most_db = (float(number) for number in re.findall(r"(?:median|most) ([0-9.]+)", text))
    assert 0 <= median_db < 0.5
    assert most_db < 1
    with np.load(tmp_path / "default_tables.npz") as data:
        assert data["names"].tolist() == ["Fading", "Harmonics"]
        assert data["authors"].tolist() == ["somebody"] * 2
        assert (data["cycles"].shape, data["cycles"].dtype) == ((2, 9, FRAME), np.int16)
        assert data["spectra"].shape == (len(standard_catalog()) + 2, len(FRAME_POSITIONS), BANDS)
    (shape,) = json.loads((tmp_path / "default_shapes.json").read_text())
    assert shape["name"] == "Chippy LFO 1"
