"""Tests of opening datasets: invalid or half-written data are refused."""

import hashlib
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from vjax.data import layout
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.store import digest, open_dataset, write_importance
from vjax.data.write_shard import write_shard

CATALOG = '{"tables": [], "name": "Häuser"}'
SHA256 = hashlib.sha256(CATALOG.encode("utf-8")).hexdigest()


@pytest.fixture
def shard(tiny_dataset):
    return tiny_dataset / "shard-00000.h5"


def test_open_dataset_of_a_folder_describes_all_shards(tiny_dataset, schema, shard_attributes):
    info = open_dataset(tiny_dataset)
    assert info.schema == schema
    assert (info.n, info.counts, info.tier, info.modulation) == (39, (24, 15), 3, "sparse")
    assert info.mel == shard_attributes["mel"]
    assert info.mel_shape == (1, 128, 20)
    assert info.catalog_json == shard_attributes["catalog"]
    assert info.catalog_sha256 == hashlib.sha256(shard_attributes["catalog"].encode()).hexdigest()
    assert info.render == shard_attributes["render"]
    assert info.importance is None
    assert [os.path.basename(path) for path in info.paths] == ["shard-00000.h5", "shard-00001.h5"]


@pytest.fixture
def one_catalog(tmp_path, schema, random_rows, shard_attributes):
    """A folder as `generate` writes it: three shards, of which the first stores the catalog for all."""
    folder = tmp_path / "one_catalog"
    for number in range(3):
        own = {"catalog_sha256": SHA256, "catalog": None} if number else {"catalog": CATALOG}
        write_shard(folder / f"shard-0000{number}.h5", schema, random_rows(1, number), shard_attributes | own)
    return folder


def test_open_dataset_of_a_folder_reads_the_catalog_of_the_first_shard(one_catalog):
    info = open_dataset(one_catalog)
    assert (info.n, info.catalog_json, info.catalog_sha256) == (9, CATALOG, SHA256)
    assert digest(CATALOG) == SHA256
    for number in range(3):
        with h5py.File(one_catalog / f"shard-0000{number}.h5") as file:
            assert file.attrs["catalog_sha256"] == SHA256
            assert ("catalog" in file.attrs) == (number == 0)


def test_open_dataset_without_the_first_shard_names_the_missing_catalog(one_catalog):
    (one_catalog / "shard-00000.h5").rename(one_catalog.parent / "shard-00000.h5")
    for path in (one_catalog, one_catalog / "shard-00001.h5"):
        with pytest.raises(DatasetError, match=rf"{path}: the wavetable catalog is missing; .* put shard-00000\.h5"):
            open_dataset(path)
    assert open_dataset(one_catalog.parent / "shard-00000.h5").catalog_json == CATALOG


def test_open_dataset_with_a_first_shard_of_another_run_is_refused(one_catalog, schema, random_rows, shard_attributes):
    first = one_catalog / "shard-00000.h5"
    write_shard(first, schema, random_rows(1), shard_attributes | {"catalog": '{"tables": [1]}'})
    with pytest.raises(
        DatasetError, match=r"shard-00000\.h5 and .*shard-00001\.h5 differ in catalog_sha256; .*one run"
    ):
        open_dataset(one_catalog)


def test_open_dataset_with_a_changed_catalog_is_refused(one_catalog):
    with h5py.File(one_catalog / "shard-00000.h5", "r+") as file:
        file.attrs["catalog"] = CATALOG.replace("[]", "[1]")
    with pytest.raises(DatasetError, match="the wavetable catalog is another one"):
        open_dataset(one_catalog)


def test_open_dataset_with_a_catalog_argument_needs_no_first_shard(one_catalog, tmp_path):
    (one_catalog / "shard-00000.h5").rename(tmp_path / "elsewhere.h5")
    (tmp_path / "catalog.json").write_text(CATALOG, encoding="utf-8")
    info = open_dataset(one_catalog, wavetable_catalog=tmp_path / "catalog.json")
    assert (info.n, info.catalog_json, info.catalog_sha256) == (6, CATALOG, SHA256)
    (tmp_path / "catalog.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match=f"its digest is {digest('{}')}, the dataset stores {SHA256}"):
        open_dataset(one_catalog, wavetable_catalog=tmp_path / "catalog.json")


def test_open_dataset_with_older_shards_without_digests_reads_the_catalog(one_catalog):
    """Older shards store the whole catalog and no digest. A folder with shards of both kinds opens too."""
    for number in range(3):
        with h5py.File(one_catalog / f"shard-0000{number}.h5", "r+") as file:
            del file.attrs["catalog_sha256"], file.attrs["render"]
            file.attrs["catalog"] = CATALOG
        if number == 0:
            assert open_dataset(one_catalog).catalog_json == CATALOG
    info = open_dataset(one_catalog)
    assert (info.n, info.catalog_json, info.catalog_sha256, info.render) == (9, CATALOG, SHA256, {})
    with h5py.File(one_catalog / "shard-00002.h5", "r+") as file:
        file.attrs["catalog"] = CATALOG.replace("[]", "[1]")
    with pytest.raises(DatasetError, match=r"shard-00002\.h5 differ in catalog_sha256"):
        open_dataset(one_catalog)


def test_open_dataset_with_a_partial_shard_ignores_it(tiny_dataset, shard):
    shutil.copy(shard, tiny_dataset / "shard-00002.h5.partial")
    assert open_dataset(tiny_dataset).n == 39
    with pytest.raises(DatasetError, match=r"\.partial is an unfinished shard"):
        open_dataset(tiny_dataset / "shard-00002.h5.partial")


def test_write_importance_of_a_folder_stores_weights_in_every_shard(tiny_dataset):
    for weights in (np.linspace(0, 2, 12), np.linspace(1, 3, 12)):
        write_importance(tiny_dataset, weights)
        for path in (tiny_dataset, tiny_dataset / "shard-00001.h5"):
            np.testing.assert_allclose(open_dataset(path).importance, weights, atol=1e-6)
    with pytest.raises(DatasetError, match=r"shape \[11\]; expected \[12\].*`vjax importance`"):
        write_importance(tiny_dataset, np.ones(11))


@pytest.mark.parametrize(
    "name",
    ["params/continuous", "params/categorical", "modulation/value", "metadata/midi_note", "metadata/preset_hash"],
)
def test_open_dataset_with_a_missing_dataset_names_it(tiny_dataset, shard, name):
    with h5py.File(shard, "r+") as file:
        del file[name]
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5 has no dataset {name}"):
        open_dataset(tiny_dataset)


def test_open_dataset_without_spectrograms_names_the_command_that_makes_them(tiny_dataset, shard):
    with h5py.File(shard, "r+") as file:
        del file["features/mel_spectrogram"]
    with pytest.raises(DatasetError, match=r"mel_spectrogram is missing; run: vjax precompute mels .*00000"):
        open_dataset(tiny_dataset)


@pytest.mark.parametrize("name", ["schema", "tier", "mel", "complete"])
def test_open_dataset_with_a_missing_attribute_names_it(tiny_dataset, shard, name):
    with h5py.File(shard, "r+") as file:
        del file.attrs[name]
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5 has no attribute {name}"):
        open_dataset(tiny_dataset)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("complete", False, "is marked as incomplete"),
        ("tier", 4, r"attribute tier is 4; expected one of \(1, 2, 3\)"),
        ("schema", "{}", "attribute schema cannot be read: not a vjax schema"),
        ("mel", "{", "attribute mel: the mel settings are '{'; expected the fields of MelConfig"),
        ("mel", '{"hop_length": 9}', r"attribute mel: unknown mel setting hop_length \(9\); rename it to one of"),
    ],
)
def test_open_dataset_with_an_invalid_attribute_names_it(tiny_dataset, shard, name, value, message):
    with h5py.File(shard, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5.*{message}"):
        open_dataset(tiny_dataset)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("params/continuous", (24, 13), r"\[24, 13\]; expected \[n, 12\] with n = 24"),
        ("params/categorical", (23, 6), r"\[23, 6\]; expected \[n, 6\] with n = 24"),
        ("modulation/value", (24, 64), r"\[24, 64\]; expected \[n, 64, 4\]"),
        ("features/mel_spectrogram", (24, 2, 128, 20), r"\[24, 2, 128, 20\]; expected \[n, 1, any, any\]"),
    ],
)
def test_open_dataset_with_a_wrong_shape_names_it(tiny_dataset, shard, name, shape, message):
    with h5py.File(shard, "r+") as file:
        kind = file[name].dtype
        del file[name]
        file[name] = np.zeros(shape, kind)
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5: {name} has shape {message}"):
        open_dataset(tiny_dataset)


@pytest.mark.parametrize(
    ("change", "field"), [({"tier": 2}, r"tier \(3 and 2\)"), ({"catalog": "{}"}, "catalog_sha256")]
)
def test_open_dataset_with_shards_of_different_attributes_is_refused(
    tiny_dataset, schema, random_rows, shard_attributes, change, field
):
    write_shard(tiny_dataset / "shard-00002.h5", schema, random_rows(1), shard_attributes | change)
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5 and .*shard-00002\.h5 differ in {field}"):
        open_dataset(tiny_dataset)


def test_open_dataset_of_a_folder_orders_shards_by_number(tmp_path, schema, random_rows, shard_attributes):
    """Sorted as text, shard-100000 would come before shard-99998."""
    for number in (99_999, 7, 100_000, 10_000, 100_001, 99_998):
        write_shard(tmp_path / layout.shard_name(number), schema, random_rows(1, seed=number), shard_attributes)
    info, numbers = open_dataset(tmp_path), (7, 10_000, 99_998, 99_999, 100_000, 100_001)
    names = ["00007", "10000", "99998", "99999", "100000", "100001"]
    assert [os.path.basename(path) for path in info.paths] == [f"shard-{name}.h5" for name in names]
    expected = np.concatenate([random_rows(1, seed=number)["metadata/preset_hash"] for number in numbers])
    np.testing.assert_array_equal(Reader(info).preset_hashes(), expected)


def test_open_dataset_with_shards_of_different_schemas_is_refused(tiny_dataset, schema, random_rows, shard_attributes):
    renamed = type(schema).from_json(schema.to_json().replace("reverb_dry_wet", "chorus_dry_wet"))
    write_shard(tiny_dataset / "shard-00002.h5", renamed, random_rows(1), shard_attributes)
    with pytest.raises(DatasetError, match=r"shard-00000\.h5 and .*shard-00002\.h5 differ in schema; .*one run"):
        open_dataset(tiny_dataset)


def test_open_hdf5_of_a_file_that_another_process_writes_says_that_it_is_in_use(shard):
    program = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writer = subprocess.Popen([sys.executable, "-c", program, shard], **pipes)
    assert writer.stdout.readline() == "open\n"
    try:
        with pytest.raises(DatasetError, match="is in use by another process; wait"), layout.open_hdf5(shard, "r+"):
            pass
    finally:
        writer.communicate()


def test_open_dataset_of_an_empty_missing_or_damaged_path_names_it(tmp_path, tiny_dataset, shard):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "shard-00000.h5.partial").touch()
    with pytest.raises(DatasetError, match=r"empty contains no \*\.h5 shard \(1 unfinished .*`vjax generate`"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"there is no dataset at .*nowhere"):
        open_dataset(tmp_path / "nowhere")
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DatasetError, match=r"shard-00000\.h5 cannot be opened as HDF5"):
        open_dataset(tiny_dataset)


def test_importing_data_modules_imports_neither_vita_nor_jax():
    code = "import sys, vjax.data.reader, vjax.data.precompute; print([m for m in ('jax', 'vita') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_open_dataset_ignores_the_hidden_files_of_macos(tiny_dataset):
    (tiny_dataset / "._shard-00000.h5").write_bytes(b"\0\5\x16\7")
    assert open_dataset(tiny_dataset).n == 39


def test_open_dataset_that_declares_more_rows_than_it_stores_is_refused(tiny_dataset):
    """A file of a few kilobytes may declare terabytes. Reading them would hang, or take all memory."""
    path = sorted(tiny_dataset.glob("*.h5"))[0]
    with h5py.File(path, "r+") as file:
        for name in ("params/categorical", "features/mel_spectrogram"):
            shape = (10**9, *file[name].shape[1:])
            del file[name]
            file.create_dataset(name, shape, "f4", chunks=(1, *shape[1:]))
    with pytest.raises(DatasetError, match=r"declares \d+ bytes and stores 0; it was not written completely"):
        open_dataset(tiny_dataset)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.attrs.__setitem__("tier", np.nan),
        lambda file: file.attrs.modify("render", "[1"),
        lambda file: file.pop("features/mel_spectrogram") and file.create_group("features/mel_spectrogram"),
        lambda file: (
            file.pop("params/categorical")
            and file.__setitem__("params/categorical", h5py.ExternalLink("/dev/null", "x"))
        ),
    ],
)
def test_open_dataset_with_odd_content_is_refused_in_one_line_with_its_name(tiny_dataset, change):
    path = sorted(tiny_dataset.glob("*.h5"))[0]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DatasetError, match=path.name) as caught:
        open_dataset(tiny_dataset)
    assert "\n" not in str(caught.value)


def test_open_dataset_with_flipped_bytes_is_refused_or_read(tiny_dataset):
    """HDF5 raises KeyError, RuntimeError, OSError and ValueError for damaged files."""
    path = sorted(tiny_dataset.glob("*.h5"))[0]
    whole, refused = path.read_bytes(), 0
    for at in range(8, 3000, 37):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            open_dataset(tiny_dataset)
        except DatasetError:
            refused += 1
    assert refused > 10
