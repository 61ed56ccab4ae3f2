"""Tests of the reader: reading by pread and by h5py return the same rows, in this process and in others."""

import concurrent.futures
import contextlib
import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest

from vjax.data import layout
from vjax.data.layout import DatasetError
from vjax.data.reader import MAX_OPEN_FILES, Reader, Routes, encoded, encoded_as
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard
from vjax.sound.encoding import TargetEncoding


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, tuple):
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def rewrite(path, name, **settings):
    """Removes a dataset and stores its data again with other settings."""
    with h5py.File(path, "r+") as file:
        data = file[name][...]
        del file[name]
        file.create_dataset(name, data=settings.pop("data", data), **settings)


def test_reader_of_two_shards_returns_rows_of_both(tiny_dataset, random_rows):
    reader = Reader(open_dataset(tiny_dataset))
    assert len(reader) == 39
    for row, shard, i in (
        (0, random_rows(8, seed=1), 0),
        (23, random_rows(8, seed=1), 23),
        (24, random_rows(5, seed=2), 0),
    ):
        sample = reader[row]
        np.testing.assert_array_equal(sample.mel, shard["features/mel_spectrogram"][i])
        np.testing.assert_array_equal(sample.continuous, shard["params/continuous"][i])
        np.testing.assert_array_equal(sample.categorical, shard["params/categorical"][i])
        assert isinstance(sample.modulation, Routes)
        np.testing.assert_array_equal(sample.modulation.index, shard["modulation/index"][i])
        np.testing.assert_array_equal(sample.modulation.value, shard["modulation/value"][i])
        assert sample.midi_note == shard["metadata/midi_note"][i]
    np.testing.assert_array_equal(reader.preset_hashes()[:24], random_rows(8, seed=1)["metadata/preset_hash"])
    np.testing.assert_array_equal(reader.preset_hashes()[24:], random_rows(5, seed=2)["metadata/preset_hash"])


@pytest.mark.parametrize("row", [-1, 39])
def test_reader_with_a_row_out_of_range_raises_an_error(tiny_dataset, row):
    with pytest.raises(IndexError, match=f"row {row} of a dataset of 39 rows"):
        Reader(open_dataset(tiny_dataset))[row]


@pytest.mark.parametrize(
    "settings",
    [
        {"chunks": (1, 1, 128, 20)},
        {"chunks": (1, 1, 128, 20), "compression": "gzip"},
        {"chunks": (4, 1, 128, 20)},
        {"chunks": None},
        {"chunks": (1, 1, 128, 20), "dtype": np.float16},
        {"chunks": (1, 1, 128, 20), "dtype": ">f8"},
    ],
    ids=["row chunks", "gzip", "large chunks", "contiguous", "float16", "big-endian double"],
)
def test_reader_by_pread_equals_reader_by_h5py(tiny_dataset, settings):
    rewrite(tiny_dataset / "shard-00000.h5", "features/mel_spectrogram", **settings)
    info = open_dataset(tiny_dataset)
    direct, through_h5py = Reader(info), Reader(info, use_pread=False)
    for row in range(0, len(direct), 5):
        assert_same(direct[row], through_h5py[row])
    assert direct[0].mel.dtype == (np.float16 if settings.get("dtype") is np.float16 else np.float32)


def test_reader_of_row_chunks_reads_without_h5py(tiny_dataset, monkeypatch):
    reader = Reader(open_dataset(tiny_dataset))
    expected = reader[7]

    def refuse(*_):
        raise AssertionError("h5py read rows")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", refuse)
    assert_same(reader[7], expected)


def test_reader_of_unwritten_chunks_returns_zeros(tiny_dataset):
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file:
        del file["modulation/value"]
        file.create_dataset("modulation/value", (24, 64, 4), np.float32, chunks=(1, 64, 4))
    assert not Reader(open_dataset(tiny_dataset))[3].modulation.value.any()


def test_reader_with_a_finished_uncompressed_matrix_prefers_it(tmp_path, tiny_dataset):
    path = tiny_dataset / "shard-00000.h5"
    with h5py.File(path, "r+") as file:
        del file["modulation"]
        file.create_dataset("params/modulation_t3", data=np.zeros((24, 4, 4, 10), np.float32), compression="gzip")
    assert not Reader(open_dataset(path))[0].modulation.any()
    with h5py.File(path, "r+") as file:
        file["features/modulation_t3"] = np.ones((24, 4, 4, 10), np.float32)
    assert (Reader(open_dataset(path))[0].modulation == 1).all()
    with h5py.File(path, "r+") as file:
        file["features/modulation_t3"].attrs["rows_done"] = 3  # half-filled, so it must not be read
    assert not Reader(open_dataset(path))[0].modulation.any()


@pytest.mark.parametrize("use_pread", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ">f8"])
def test_read_of_several_rows_equals_single_rows_stacked(tiny_dataset, use_pread, dtype):
    """The rows are in both shards, one row is read twice, and the first shard may store another type."""
    rewrite(tiny_dataset / "shard-00000.h5", "features/mel_spectrogram", chunks=(1, 1, 128, 20), dtype=dtype)
    reader, rows = Reader(open_dataset(tiny_dataset), use_pread), [30, 2, 38, 2, 0, 24]
    together, singles = reader.read(rows), [reader[row] for row in rows]
    for field in ("mel", "continuous", "categorical", "midi_note"):
        stacked = np.stack([getattr(sample, field) for sample in singles])
        assert_same(getattr(together, field), stacked)
    for i, array in enumerate(together.modulation):
        assert_same(array, np.stack([sample.modulation[i] for sample in singles]))


@pytest.mark.parametrize("use_pread", [True, False])
def test_reader_after_pickling_reads_the_same_rows(tiny_dataset, use_pread):
    reader = Reader(open_dataset(tiny_dataset), use_pread)
    expected = reader[30]  # files are open now
    assert_same(pickle.loads(pickle.dumps(reader))[30], expected)
    assert len(pickle.dumps(reader)) < 1000


def test_reader_of_a_truncated_file_raises_an_error(tiny_dataset):
    path = tiny_dataset / "shard-00000.h5"
    reader = Reader(open_dataset(path))
    reader[0]
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(DatasetError, match="cut short"):
        reader[23]


def many_gzip_shards(folder, schema, random_rows, attributes, n):
    """A folder of n shards that only h5py can read, of three rows each."""
    write_shard(folder / "shard-00000.h5", schema, random_rows(1), attributes)
    rewrite(folder / "shard-00000.h5", "features/mel_spectrogram", chunks=(1, 1, 128, 20), compression="gzip")
    for number in range(1, n):
        shutil.copyfile(folder / "shard-00000.h5", folder / layout.shard_name(number))
        with h5py.File(folder / layout.shard_name(number), "r+") as file:
            file["metadata/preset_hash"][...] = number
            file["features/mel_spectrogram"][...] = number
    return folder


def open_shards() -> int:
    """Returns the number of shards that this process has open."""
    paths = []
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the handle of the listing itself
            paths.append(os.readlink(f"/proc/self/fd/{handle}"))
    return sum(path.endswith(".h5") for path in paths)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_reader_of_many_compressed_shards_closes_those_beyond_the_limit(
    tmp_path, schema, random_rows, shard_attributes
):
    many = MAX_OPEN_FILES + 20
    reader = Reader(open_dataset(many_gzip_shards(tmp_path, schema, random_rows, shard_attributes, many)))
    before = open_shards()
    together = reader.read(np.arange(len(reader)))
    assert 0 < open_shards() - before <= MAX_OPEN_FILES
    for row in (0, 4, len(reader) - 1, 1):  # also in shards that are closed by now
        assert (reader[row].mel == together.mel[row]).all()
        assert row < 3 or (reader[row].mel == row // 3).all()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # a shard leaves the cache while a thread reads it
        found = [sample.mel for sample in pool.map(reader.__getitem__, range(len(reader)))]
    np.testing.assert_array_equal(found, together.mel)
    assert open_shards() - before <= MAX_OPEN_FILES
    del reader, pool
    assert open_shards() == before


FEW_FILES = """
import resource, sys
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
reader = Reader(open_dataset(sys.argv[1]))
print(reader.read(range(len(reader))).mel[:, 0, 0, 0].max())
"""


@pytest.mark.slow
def test_reader_of_more_compressed_shards_than_handles_reads_all_rows(tmp_path, schema, random_rows, shard_attributes):
    folder = many_gzip_shards(tmp_path, schema, random_rows, shard_attributes, 140)
    done = subprocess.run([sys.executable, "-c", FEW_FILES, str(folder)], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("139.0", 0), done.stderr


def test_preset_names_and_hashes_of_some_rows_equal_the_stored_ones(tiny_dataset, random_rows):
    reader = Reader(open_dataset(tiny_dataset))
    rows = [30, 2, 38, 2, 0, 24]
    stored = [random_rows(8, seed=1), random_rows(5, seed=2)]
    names, hashes = (
        np.concatenate([shard[f"metadata/preset_{what}"] for shard in stored]) for what in ("name", "hash")
    )
    assert reader.preset_names(rows) == names[rows].tolist()
    assert reader.preset_names([]) == []
    np.testing.assert_array_equal(reader.preset_hashes(rows), hashes[rows])
    for shard in tiny_dataset.iterdir():
        with h5py.File(shard, "r+") as file:
            del file["metadata/preset_name"]
    assert reader.preset_names(rows) == [""] * 6


@pytest.mark.parametrize("stored", ["number", "text", "nothing"])
def test_preset_names_of_few_rows_do_not_load_the_others(tmp_path, stored):
    """The file has 20 MB of names and 10 MB of parameters. Ten rows need only a few blocks of them."""
    n = 200_000
    with h5py.File(tmp_path / "report.h5", "w") as file:
        file["params/continuous"] = np.arange(n * 8, dtype=np.float32).reshape(n, 8)
        file["params/categorical"] = np.zeros((n, 4), np.int64)
        file["features/mel_spectrogram"] = np.zeros((n, 1, 2, 1), np.float16)
        file["metadata/preset_name"] = np.char.add(np.arange(n).astype("S100"), b" a preset")
        if stored != "nothing":
            numbers = np.arange(n) // 2
            file["metadata/preset_hash"] = numbers.astype("S20") if stored == "text" else numbers
    reader = Reader(open_dataset(tmp_path / "report.h5"))
    rows = np.linspace(0, n - 1, 10).astype(int)
    tracemalloc.start()
    names, hashes = reader.preset_names(rows), reader.preset_hashes(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert names == [f"{row} a preset" for row in rows]
    np.testing.assert_array_equal(hashes, reader.preset_hashes()[rows])
    assert peak < 1e6


def test_encoded_reader_returns_rows_in_the_target_encoding(tiny_dataset, schema):
    info = open_dataset(tiny_dataset)
    found_info, reader = encoded(info)
    encoding, rows = TargetEncoding(schema), [38, 3, 24]
    plain, found = Reader(info).read(rows), pickle.loads(pickle.dumps(reader)).read(rows)
    assert found_info.schema == encoding.schema != info.schema
    continuous, categorical = encoding.encode(plain.continuous, plain.categorical)
    assert_same(found, plain._replace(continuous=continuous, categorical=categorical))
    assert_same(reader[24].categorical, categorical[2])
    assert found.continuous.shape[1] == len(found_info.schema.continuous)
    assert found_info.importance is None


def test_encoded_as_with_a_models_schema_returns_rows_of_that_schema(tiny_dataset, schema):
    info = open_dataset(tiny_dataset)
    for form, expected in ((schema, Reader(info)), (TargetEncoding(schema).schema, encoded(info)[1])):
        found_info, reader = encoded_as(info, form)
        assert found_info.schema == form
        assert_same(reader.read([5, 0]), expected.read([5, 0]))


@pytest.mark.parametrize("use_pread", [True, False])
def test_reader_of_an_external_link_reads_the_linked_file(tiny_dataset, tmp_path, use_pread):
    expected = Reader(open_dataset(tiny_dataset))[3].mel
    elsewhere = tmp_path / "mels.h5"
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file, h5py.File(elsewhere, "w") as other:
        file.copy("features/mel_spectrogram", other, "mel")
        del file["features/mel_spectrogram"]
        file["features/mel_spectrogram"] = h5py.ExternalLink(str(elsewhere), "mel")
    np.testing.assert_array_equal(Reader(open_dataset(tiny_dataset), use_pread)[3].mel, expected)


def test_read_of_shards_with_and_without_the_uncompressed_matrix_returns_both(tiny_dataset):
    """An interrupted `vjax precompute modulation` leaves such a folder."""
    for number, rows in enumerate((24, 15)):
        with h5py.File(tiny_dataset / f"shard-{number:05d}.h5", "r+") as file:
            del file["modulation"]
            matrix = np.full((rows, 4, 4, 10), number + 1, np.float32)
            file.create_dataset("params/modulation_t3", data=matrix, compression="gzip")
            if number == 0:
                file["features/modulation_t3"] = matrix
    found = Reader(open_dataset(tiny_dataset)).read([0, 30]).modulation
    assert found[:, 0, 0, 0].tolist() == [1, 2]
