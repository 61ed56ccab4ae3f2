"""Tests of writing shards: invalid or half-written data are refused."""

import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from vjax.data.layout import DatasetError
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard


def test_write_shard_stores_arrays_unchanged_with_one_chunk_a_row(tiny_dataset, random_rows):
    rows = random_rows(8, seed=1)
    with h5py.File(tiny_dataset / "shard-00000.h5") as file:
        for name, array in rows.items():
            stored = file[name][...]
            text = stored.dtype.kind == "S"
            np.testing.assert_array_equal(np.char.decode(stored, "utf-8") if text else stored, array, err_msg=name)
            assert file[name].chunks == (None if array.ndim == 1 else (1, *array.shape[1:]))
            assert file[name].compression is None


def test_write_shard_with_the_same_arrays_gives_the_same_bytes(tmp_path, schema, random_rows, shard_attributes):
    rows = random_rows(4)
    write_shard(tmp_path / "a.h5", schema, rows, shard_attributes)
    time.sleep(1.1)  # HDF5's time stamps count seconds
    write_shard(tmp_path / "b.h5", schema, dict(reversed(rows.items())), dict(reversed(shard_attributes.items())))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_write_shard_with_a_large_catalog_stores_it(tmp_path, schema, random_rows, shard_attributes):
    catalog = '{"tables": "' + "x" * 5_000_000 + '"}'
    write_shard(tmp_path / "a.h5", schema, random_rows(1), shard_attributes | {"catalog": catalog})
    assert open_dataset(tmp_path / "a.h5").catalog_json == catalog


def test_write_shard_without_a_catalog_stores_none(tmp_path, schema, random_rows, shard_attributes):
    write_shard(tmp_path / "a.h5", schema, random_rows(1), shard_attributes | {"catalog": None})
    info = open_dataset(tmp_path / "a.h5")
    assert (info.catalog_json, info.catalog_sha256) == (None, None)


def test_write_shard_with_dense_routes_compresses_them(tmp_path, schema, random_rows, shard_attributes):
    rows = {name: array for name, array in random_rows(2).items() if not name.startswith("modulation/")}
    rows["params/modulation_t3"] = np.zeros((6, 4, 4, 10), np.float32)
    write_shard(tmp_path / "a.h5", schema, rows, shard_attributes)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["params/modulation_t3"].compression == "gzip"
    assert open_dataset(tmp_path / "a.h5").modulation == "dense"


def test_write_shard_that_fails_leaves_no_file(tmp_path, schema, random_rows, shard_attributes):
    with pytest.raises(TypeError):
        write_shard(tmp_path / "a.h5", schema, random_rows(1), shard_attributes | {"strange": object()})
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata/midi_note": None}, "dataset metadata/midi_note is missing"),
        ({"features/mel_spectrogram": None}, "needs features/mel_spectrogram or audio/waveforms; neither"),
        ({"modulation/value": None}, "modulation/index and modulation/value belong together"),
        ({"params/continous": np.zeros((6, 12))}, r"unknown dataset params/continous; did you mean params/continuous"),
        (
            {"params/continuous": np.zeros((6, 11))},
            r"params/continuous has shape \[6, 11\]; expected \[n, 12\] with n = 6",
        ),
        (
            {"metadata/midi_note": np.zeros(5, np.int32)},
            r"metadata/midi_note has shape \[5\]; expected \[n\] with n = 6",
        ),
        ({"features/mel_spectrogram": np.zeros((6, 128, 20))}, r"\[6, 128, 20\]; expected \[n, 1, any, any\]"),
        ({"params/categorical": np.zeros((6, 6))}, "params/categorical is float64; expected int32"),
        ({"metadata/preset_name": np.zeros(6)}, "metadata/preset_name is float64; expected text"),
    ],
)
def test_write_shard_with_invalid_arrays_names_them(tmp_path, schema, random_rows, shard_attributes, change, message):
    rows = {name: array for name, array in (random_rows(2) | change).items() if array is not None}
    with pytest.raises(DatasetError, match=message):
        write_shard(tmp_path / "a.h5", schema, rows, shard_attributes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tier", "mel", "generator_version"])
def test_write_shard_with_a_missing_attribute_names_it(tmp_path, schema, random_rows, shard_attributes, name):
    attributes = {key: value for key, value in shard_attributes.items() if key != name}
    with pytest.raises(DatasetError, match=f"attribute {name} is missing"):
        write_shard(tmp_path / "a.h5", schema, random_rows(2), attributes)


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard
from vjax.io.errors import error_text

source, path = sys.argv[1:]
import h5py
with h5py.File(source) as file:
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    arrays = {name: file[name][...] for name in names}
    attributes = {name: file.attrs[name] for name in ("tier", "mel", "generator_version")}
schema = open_dataset(source).schema
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_shard(path, schema, arrays, attributes)
except OSError as error:
    print(error_text(error))
"""


def test_write_shard_on_a_full_disk_names_the_file(tiny_dataset, tmp_path):
    """HDF5 itself would end the process with SIGSEGV."""
    path = tmp_path / "new" / "shard-00000.h5"
    command = [sys.executable, "-c", FULL_DISK, tiny_dataset / "shard-00000.h5", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: file too large\n", "")
    assert list(path.parent.iterdir()) == []
