"""Tests of files in the report's layout: their sizes, and their attributes, present or missing."""

import gzip
import json

import h5py
import numpy as np
import pytest

from vjax.audio.mel_config import MelConfig
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.store import digest, open_dataset
from vjax.engine.schema import engine_schema
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, WAVETABLE_CHOICES

N = 5
SOURCES, DESTINATIONS = 32, 406


def write_report_file(path, channel_axis=True, n_continuous=322, n_categorical=126, modulation="params", **attributes):
    """Writes N random rows. The last two menus are 0 or 1, the others 0. Returns the arrays by dataset name."""
    rng = np.random.default_rng(0)
    arrays = {
        "params/continuous": rng.random((N, n_continuous), np.float32),
        "params/categorical": np.zeros((N, n_categorical), np.int64),
        "features/mel_spectrogram": rng.random((N, 1, 128, 30), np.float32),
    }
    arrays["params/categorical"][:, -2:] = rng.integers(0, 2, (N, 2))
    if not channel_axis:
        arrays["features/mel_spectrogram"] = arrays["features/mel_spectrogram"][:, 0]
    matrix = np.zeros((N, 4, SOURCES, DESTINATIONS), np.float32)
    matrix[:, 0, rng.integers(0, SOURCES, 6), rng.integers(0, DESTINATIONS, 6)] = 0.5
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        if modulation:
            file.create_dataset("params/modulation_t3", data=matrix, compression="gzip")
            arrays["params/modulation_t3"] = matrix
        file.attrs.update(attributes)
    return arrays


@pytest.mark.parametrize("channel_axis", [True, False])
@pytest.mark.parametrize("with_attributes", [True, False])
def test_open_dataset_of_a_minimal_report_file_reads_its_rows(tmp_path, channel_axis, with_attributes):
    attributes = {}
    if with_attributes:
        attributes = {
            "tier": 3,
            "mod_source_names": [f"from_{i}" for i in range(SOURCES)],
            "mod_destination_names": np.array([f"to_{i}" for i in range(DESTINATIONS)], h5py.string_dtype()),
        }
    arrays = write_report_file(tmp_path / "report.h5", channel_axis, **attributes)
    info = open_dataset(tmp_path / "report.h5")
    engine = engine_schema()
    assert (info.n, info.tier, info.modulation, info.mel_shape) == (N, 3, "dense", (1, 128, 30))
    assert info.schema.continuous == engine.continuous
    named = tuple(menu for menu in engine.categorical if menu.name not in CATALOG_CHOICES)
    assert len(named) == 126
    assert info.schema.categorical == named
    assert (info.schema.engine, info.render) == (engine.engine, {})
    assert len(info.schema.destinations) == DESTINATIONS
    expected = ("from_3", "to_405") if with_attributes else (engine.sources[3], "destination_405")
    assert (info.schema.sources[3], info.schema.destinations[405]) == expected
    reader = Reader(info)
    sample = reader[2]
    np.testing.assert_array_equal(sample.mel, arrays["features/mel_spectrogram"].reshape(N, 1, 128, 30)[2])
    np.testing.assert_array_equal(sample.continuous, arrays["params/continuous"][2])
    np.testing.assert_array_equal(sample.categorical, arrays["params/categorical"][2])
    assert sample.categorical.dtype == np.int32
    np.testing.assert_array_equal(sample.modulation, arrays["params/modulation_t3"][2])
    assert sample.midi_note == 60
    assert len(np.unique(reader.preset_hashes())) == N


def test_open_dataset_with_attributes_in_json_or_a_group_reads_them(tmp_path):
    names = {"mod_source_names": [f"from_{i}" for i in range(SOURCES)], "tier": 2}
    write_report_file(tmp_path / "json.h5", schema=json.dumps(names))
    write_report_file(tmp_path / "group.h5")
    with h5py.File(tmp_path / "group.h5", "r+") as file:
        file.create_group("schema").attrs.update({"tier": 2, "mod_source_names": json.dumps(names["mod_source_names"])})
    for name in ("json.h5", "group.h5"):
        info = open_dataset(tmp_path / name)
        assert (info.tier, info.schema.sources[31]) == (2, "from_31")


def test_open_dataset_with_wavetable_columns_counts_options_from_the_data(tmp_path):
    write_report_file(tmp_path / "report.h5", n_categorical=129)
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/categorical"][:, 126:] = [[40, 3, 0]] * N
    schema = open_dataset(tmp_path / "report.h5").schema
    assert schema.categorical_names[126:] == WAVETABLE_CHOICES
    assert schema.option_counts[126:] == (41, 4, 1)


def test_open_dataset_with_lfo_shape_columns_counts_options_from_the_data(tmp_path):
    write_report_file(tmp_path / "report.h5", n_categorical=137)
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/categorical"][:, 126:] = [[40, 3, 0, 9, 0, 0, 0, 0, 0, 0, 63]] * N
    schema = open_dataset(tmp_path / "report.h5").schema
    assert schema.categorical_names[126:] == WAVETABLE_CHOICES + LFO_SHAPE_CHOICES
    assert schema.option_counts[126:] == (41, 4, 1, 10, 1, 1, 1, 1, 1, 1, 64)
    assert schema.categorical_names == engine_schema().categorical_names
    assert schema.engine == engine_schema().engine


@pytest.mark.parametrize("n_categorical", [127, 134, 138])
def test_open_dataset_with_another_number_of_choices_numbers_the_columns(tmp_path, n_categorical):
    write_report_file(tmp_path / "report.h5", n_categorical=n_categorical)
    schema = open_dataset(tmp_path / "report.h5").schema
    assert schema.categorical_names == tuple(f"categorical_{i}" for i in range(n_categorical))
    assert schema.engine == ""


def test_open_dataset_with_unknown_widths_numbers_the_parameters(tmp_path):
    write_report_file(tmp_path / "report.h5", n_continuous=10, n_categorical=4, modulation=None)
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/categorical"][0] = [7, 0, 1, 2]
    info = open_dataset(tmp_path / "report.h5")
    assert info.schema.continuous_names == tuple(f"continuous_{i}" for i in range(10))
    assert info.schema.option_counts == (8, 1, 2, 3)
    assert (info.tier, info.modulation, info.schema.sources, info.schema.destinations) == (1, "none", (), ())
    assert Reader(info)[0].modulation.shape == (0,)


def choose_wavetables(path, highest=(40, 3, 0)):
    """Fills the three columns of wavetable choices."""
    with h5py.File(path, "r+") as file:
        file["params/categorical"][:, 126:129] = [highest] * N


def test_open_dataset_with_a_missing_catalog_that_is_needed_is_refused(tmp_path):
    """Without this catalog, the choices would select other tables, those of the shipped catalog."""
    write_report_file(tmp_path / "report.h5", n_categorical=129, wavetable_catalog_path="tables/catalog.json")
    choose_wavetables(tmp_path / "report.h5")
    message = (
        r"report\.h5: there is no file at its wavetable_catalog_path tables/catalog\.json, .*"
        "osc_1_wavetable chooses from 41 entries .*put the file there"
    )
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "report.h5")


def test_open_dataset_with_a_missing_catalog_that_is_not_needed_warns(tmp_path, caplog):
    write_report_file(tmp_path / "report.h5", wavetable_catalog_path="tables/catalog.json")
    with caplog.at_level("WARNING", logger="absl"):
        assert open_dataset(tmp_path / "report.h5").catalog_json is None
    assert "no file at its wavetable_catalog_path tables/catalog.json" in caplog.text


def test_open_dataset_with_a_catalog_argument_ignores_the_stored_path(tmp_path):
    """The argument is the report's setting `wavetable_catalog`. The argument and the path accept gzip files too."""
    path, catalog = tmp_path / "report.h5", tmp_path / "catalog.json.gz"
    write_report_file(path, n_categorical=129, wavetable_catalog_path="tables/catalog.json")
    choose_wavetables(path)
    catalog.write_bytes(gzip.compress(b'{"tables": [{}]}'))
    info = open_dataset(path, wavetable_catalog=catalog)
    assert (info.catalog_json, info.catalog_sha256) == ('{"tables": [{}]}', digest('{"tables": [{}]}'))
    with h5py.File(path, "r+") as file:
        file.attrs["wavetable_catalog_path"] = catalog.name
    assert open_dataset(path) == info
    with pytest.raises(DatasetError, match=r"the wavetable catalog .*nowhere\.json cannot be read .*give a JSON file"):
        open_dataset(path, wavetable_catalog=tmp_path / "nowhere.json")


def test_open_dataset_with_a_catalog_of_another_digest_is_refused(tmp_path):
    path, catalog = tmp_path / "report.h5", tmp_path / "catalog.json"
    catalog.write_text("{}")
    write_report_file(path, wavetable_catalog_path=catalog.name, catalog_sha256=digest("{}"))
    assert open_dataset(path).catalog_json == "{}"
    catalog.write_text("[]")
    for given in ("", catalog):
        with pytest.raises(DatasetError, match=f"digest is {digest('[]')}, the dataset stores {digest('{}')}"):
            open_dataset(path, wavetable_catalog=given)


def test_open_dataset_with_a_path_to_a_file_that_is_no_catalog_does_not_read_it(tmp_path):
    """The text would go into a checkpoint, which people share."""
    secret = tmp_path / "id_rsa"
    for content in ("-----BEGIN KEY-----", '{"password": "x"}', "[" * 10**5):
        secret.write_text(content)
        write_report_file(tmp_path / "report.h5", wavetable_catalog_path=str(secret))
        with pytest.raises(DatasetError, match=r"wavetable_catalog_path is .*, which is not a wavetable catalog"):
            open_dataset(tmp_path / "report.h5")


def test_open_dataset_with_unsupported_mel_settings_is_refused(tmp_path):
    write_report_file(tmp_path / "report.h5", mel=json.dumps({"n_fft": 1024}))
    assert open_dataset(tmp_path / "report.h5").mel_config == MelConfig(n_fft=1024)
    for settings, message in (
        ({"hop_length": 512}, r"unknown mel setting hop_length \(512\); rename it to one of"),
        ({"htk": True}, r"unknown mel setting htk \(True\); rename it to one of sample_rate, n_fft,"),
        ({"hop": "512"}, "mel setting hop is '512'; set it to a whole number"),
        ({"sample_rate": 22050}, r"mel bands from .* do not fit below 11025\.0 Hz"),
        ([1], r"the mel settings are \[1\]; expected the fields of MelConfig"),
    ):
        with h5py.File(tmp_path / "report.h5", "r+") as file:
            file.attrs["mel"] = json.dumps(settings)
        with pytest.raises(DatasetError, match=rf"report\.h5: attribute mel: {message}"):
            open_dataset(tmp_path / "report.h5")


@pytest.mark.parametrize("rate", [22050, 44100])
def test_open_dataset_with_another_sample_rate_and_no_mel_settings_is_refused(tmp_path, rate):
    """Without mel settings, a checkpoint would assume 44,100 Hz."""
    write_report_file(tmp_path / "report.h5", sample_rate=rate)
    if rate == 44100:
        assert open_dataset(tmp_path / "report.h5").mel == {}
    else:
        message = r"report\.h5: attribute sample_rate gives 22050 Hz, but the mel settings are for 44100 Hz"
        with pytest.raises(DatasetError, match=message):
            open_dataset(tmp_path / "report.h5")


def test_open_dataset_with_a_relative_catalog_path_reads_it_beside_the_file(tmp_path):
    write_report_file(tmp_path / "report.h5", wavetable_catalog_path="tables/catalog.json")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "catalog.json").write_text('{"tables": ["Häuser"]}', encoding="utf-8")
    info = open_dataset(tmp_path / "report.h5")
    assert info.catalog_json == '{"tables": ["Häuser"]}'
    assert info.catalog_sha256 == digest(info.catalog_json)


def test_reader_of_a_report_file_uses_stored_hashes_and_notes(tmp_path):
    write_report_file(tmp_path / "report.h5")
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["metadata/preset_hash"] = ["ab", "cd", "ab", "cd", "ef"]
        file["metadata/midi_note"] = np.array([48, 60, 72, 48, 60])
    reader = Reader(open_dataset(tmp_path / "report.h5"))
    hashes = reader.preset_hashes()
    assert hashes[0] == hashes[2] != hashes[1] == hashes[3] != hashes[4]
    assert [int(reader[i].midi_note) for i in range(N)] == [48, 60, 72, 48, 60]


def test_open_dataset_with_only_uncompressed_routes_reads_them(tmp_path):
    arrays = write_report_file(tmp_path / "report.h5")
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file.move("params/modulation_t3", "features/modulation_t3")
    info = open_dataset(tmp_path / "report.h5")
    assert (info.modulation, info.tier) == ("dense", 3)
    np.testing.assert_array_equal(Reader(info)[4].modulation, arrays["params/modulation_t3"][4])


@pytest.mark.parametrize("n_categorical", [126, 129, 137])
def test_open_dataset_with_unknown_options_raises_option_counts_and_warns_once(tmp_path, caplog, n_categorical):
    write_report_file(tmp_path / "report.h5", n_categorical=n_categorical)
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/categorical"][1, 0] = 999
        file["params/categorical"][3, 125] = 20
    with caplog.at_level("WARNING", logger="absl"):
        schemas = [open_dataset(tmp_path / "report.h5").schema for _ in range(2)]
    engine = engine_schema()
    sizes = list(engine.option_counts[:126])
    sizes[0], sizes[125] = 1000, 21
    assert schemas[0].option_counts[:126] == tuple(sizes)
    assert schemas[0].categorical_names[:126] == engine.categorical_names[:126]
    assert schemas[0] == schemas[1]
    (message,) = (record.getMessage() for record in caplog.records)
    first, last = engine.categorical_names[0], engine.categorical_names[125]
    assert f"raised: {first} to 1000, {last} to 21." in message
    assert "report.h5" in message


def test_open_dataset_with_a_negative_option_index_is_refused(tmp_path):
    write_report_file(tmp_path / "report.h5")
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/categorical"][1, 3] = -1
    with pytest.raises(DatasetError, match=r"column 3 .* contains -1; menu indices"):
        open_dataset(tmp_path / "report.h5")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"mod_source_names": ["a", "b"]}, "attribute mod_source_names has 2 names; the matrix has 32"),
        ({"tier": 7}, r"attribute tier is 7; expected one of \(1, 2, 3\)"),
    ],
)
def test_open_dataset_with_attributes_that_contradict_the_arrays_names_them(tmp_path, attributes, message):
    write_report_file(tmp_path / "report.h5", **attributes)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "report.h5")


def test_open_dataset_with_a_route_matrix_of_the_wrong_shape_is_refused(tmp_path):
    write_report_file(tmp_path / "report.h5", modulation=None)
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        file["params/modulation_t3"] = np.zeros((N, 3, SOURCES, DESTINATIONS), np.float32)
    with pytest.raises(DatasetError, match="params/modulation_t3 has 3 channels; expected 4"):
        open_dataset(tmp_path / "report.h5")
    with h5py.File(tmp_path / "report.h5", "r+") as file:
        del file["params/modulation_t3"]
        file["params/modulation_t3"] = np.zeros((N - 1, 4, SOURCES, DESTINATIONS), np.float32)
    with pytest.raises(DatasetError, match=r"\[4, 4, 32, 406\]; expected \[n, 4, 32, 406\] with n = 5"):
        open_dataset(tmp_path / "report.h5")


@pytest.mark.parametrize("attributes", [{}, {"wavetable_catalog_path": "catalog.json"}])
def test_open_dataset_of_several_report_files_uses_the_largest_option_counts(tmp_path, attributes):
    (tmp_path / "catalog.json").write_text('{"tables": []}')
    for name, highest in (("a.h5", [5, 2, 0]), ("b.h5", [3, 9, 0])):
        write_report_file(tmp_path / name, n_categorical=129, **attributes)
        with h5py.File(tmp_path / name, "r+") as file:
            file["params/categorical"][:, 126:] = [highest] * N
    assert open_dataset(tmp_path).schema.option_counts[126:] == (6, 10, 1)
    write_report_file(tmp_path / "c.h5", n_categorical=126, **attributes)
    with pytest.raises(DatasetError, match="differ in schema"):
        open_dataset(tmp_path)
