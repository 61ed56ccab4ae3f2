"""Fast random access to the rows of a dataset, from any process. Imports neither vita nor jax."""

import dataclasses
import functools
import hashlib
import itertools
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from vjax.data import layout
from vjax.data.shard_file import ShardFile, open_shard
from vjax.data.store import DatasetInfo
from vjax.io.errors import reading
from vjax.sound.encoding import TargetEncoding
from vjax.sound.routes import sparse_routes
from vjax.sound.schema import Parameters, Schema

MAX_OPEN_FILES = 64
"""Files that one reader keeps open if only h5py can read them. Systems allow a process 256 to 1024 open files."""

_BLOCK_ROWS = 4096


class Routes(NamedTuple):
    """Sparse routes of one row.

    `index` is [64] int32: source * n_destinations + destination, or -1 for no route. `value` is [64, 4] float32.
    """

    index: np.ndarray
    value: np.ndarray


class Sample(NamedTuple):
    """One row. Arrays may be read-only.

    Attributes:
      mel: [1, n_mels, t] float32 or float16, as stored.
      continuous: [n_continuous] float32 norm.
      categorical: [n_categorical] int32.
      midi_note: [] int32.
      modulation: `Routes`, or [4, n_sources, n_destinations] float32, or [0] float32 without modulation.
    """

    mel: np.ndarray
    continuous: np.ndarray
    categorical: np.ndarray
    midi_note: np.ndarray
    modulation: Routes | np.ndarray


def sample_parameters(sample: Sample, schema: Schema) -> Parameters:
    """Returns the preset of a row, for every way to store its routes."""
    routes = schema.default_parameters()[2:]
    if isinstance(sample.modulation, Routes):
        routes = sample.modulation
    elif sample.modulation.size:
        routes = sparse_routes(sample.modulation)
    return Parameters(sample.continuous, sample.categorical, *routes)


def encoded(info: DatasetInfo) -> tuple[DatasetInfo, "Reader"]:
    """Returns a dataset in its target encoding (`vjax.sound.encoding`).

    These are the info with the encoded schema and importance, and a reader of encoded rows.
    """
    encoding = TargetEncoding(info.schema)
    importance = encoding.encode_importance(info.importance)
    return dataclasses.replace(info, schema=encoding.schema, importance=importance), Reader(info, encoding=encoding)


def encoded_as(info: DatasetInfo, schema: Schema) -> tuple[DatasetInfo, "Reader"]:
    """Returns a dataset in the form of a model's `schema`, encoded or not. Both then have the same parameter names."""
    found, reader = encoded(info)
    same = set(found.schema.categorical_names) == set(schema.categorical_names)
    return (found, reader) if same else (info, Reader(info))


class Reader:
    """The rows of an opened dataset, by index. Picklable; each process opens the files itself, on first use.

    Uncompressed data with one chunk per row are read with `os.pread` at the chunks' offsets in the file. h5py would
    take 2.8 times the CPU time (86 instead of 30 microseconds a row of full size), and a lock of the whole process. All
    other data are read through h5py. For these, the MAX_OPEN_FILES shards that were read last stay open.
    """

    def __init__(self, info: DatasetInfo, use_pread: bool = True, encoding: TargetEncoding | None = None):
        self._paths = info.paths
        self._encoding = encoding
        self._starts = (0, *itertools.accumulate(info.counts))
        self._modulation = info.modulation
        self.mel_shape = info.mel_shape
        self._use_pread = use_pread
        self._shards: dict[int, ShardFile] = {}
        self._opened: Callable[[str], h5py.File] | None = None

    def __len__(self) -> int:
        return self._starts[-1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_shards": {}, "_opened": None}

    def __getitem__(self, i: int) -> Sample:
        i = operator.index(i)
        if not 0 <= i < len(self):
            raise IndexError(f"row {i} of a dataset of {len(self)} rows")
        return map_arrays(lambda array: array[0], self.read([i]))

    def read(self, rows: Sequence[int] | np.ndarray) -> Sample:
        """Reads existing rows, stacked along a first axis. Each is read directly to its position, to save a copy."""
        rows = np.asarray(rows)
        numbers = np.searchsorted(self._starts, rows, "right") - 1
        shards = {number: self._shard(number) for number in np.unique(numbers).tolist()}
        midi_note = np.empty(len(rows), np.int32)
        columns: dict[str, np.ndarray] = {}
        for name, first in next(iter(shards.values())).columns.items():
            dtype = np.result_type(*(shard.columns[name].dtype for shard in shards.values())).newbyteorder("=")
            columns[name] = np.empty((len(rows), *first.row_shape), dtype)
        for number, shard in shards.items():
            positions = np.flatnonzero(numbers == number)
            shard_rows = rows[positions] - self._starts[number]
            midi_note[positions] = shard.midi_note[shard_rows]
            path = self._paths[number]
            file = self._file(path) if any(column.offsets is None for column in shard.columns.values()) else None
            # Opened again for each read: threads share no handle, and many shards do not use up the process's handles.
            handle = os.open(path, os.O_RDONLY)
            try:
                with reading(path, layout.DatasetError, layout.REMEDY):
                    for name, column in shard.columns.items():
                        if column.offsets is None:
                            assert file is not None, "it was opened, because a column has no offsets"
                            dataset = layout.require(file, column.path)
                            for row, position in zip(shard_rows.tolist(), positions.tolist(), strict=True):
                                columns[name][position] = dataset[row]
                        else:
                            column.read(handle, shard_rows.tolist(), columns[name], positions.tolist())
            finally:
                os.close(handle)
        mel = columns[layout.MEL].reshape(len(rows), *self.mel_shape)
        continuous = columns[layout.CONTINUOUS].astype(np.float32, copy=False)
        categorical = columns[layout.CATEGORICAL].astype(np.int32, copy=False)
        if self._encoding:
            continuous, categorical = self._encoding.encode(continuous, categorical)
        return Sample(
            mel=mel if mel.dtype in (np.float32, np.float16) else mel.astype(np.float32),
            continuous=continuous,
            categorical=categorical,
            midi_note=midi_note,
            modulation=self._routes(columns, len(rows)),
        )

    def preset_hashes(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Returns [len(rows)] int64, equal for rows of the same preset; by default for all rows.

        If the dataset does not store them, they are hashes of the rows' parameters.
        """
        return self._metadata(_preset_hashes, np.arange(len(self)) if rows is None else np.asarray(rows), np.int64)

    def preset_names(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Returns [len(rows)] names; empty strings if the dataset does not store them."""
        return self._metadata(_preset_names, np.asarray(rows), object).tolist()

    def _metadata(
        self, read: Callable[[h5py.File, np.ndarray], Sequence | np.ndarray], rows: np.ndarray, dtype: Any
    ) -> np.ndarray:
        """Calls `read` on the shards that contain `rows`, in blocks, and returns the values in the order of `rows`.

        Whole columns are never in memory.
        """
        values = np.empty(len(rows), dtype)
        order = np.argsort(rows, kind="stable")
        numbers = np.searchsorted(self._starts, rows[order], "right") - 1
        shard_rows = rows[order] - np.asarray(self._starts)[numbers]
        ends = np.diff(numbers, append=-1).astype(bool) | np.diff(shard_rows // _BLOCK_ROWS, append=-1).astype(bool)
        first = 0
        for last in (np.flatnonzero(ends) + 1).tolist():
            with layout.open_hdf5(self._paths[numbers[first]]) as file:
                values[order[first:last]] = read(file, shard_rows[first:last])
            first = last
        return values

    def _routes(self, columns: dict[str, np.ndarray], n: int) -> Routes | np.ndarray:
        if self._modulation == "sparse":
            return Routes(columns[layout.ROUTE_INDEX], columns[layout.ROUTE_VALUE])
        if self._modulation == "dense":
            return columns[layout.DENSE_ROUTES].astype(np.float32, copy=False)
        return np.zeros((n, 0), np.float32)

    def _file(self, path: str) -> h5py.File:
        """Returns the open file. A file that leaves the cache is closed when its last user releases it."""
        if self._opened is None:
            self._opened = functools.lru_cache(MAX_OPEN_FILES)(_open)
        return self._opened(path)

    def _shard(self, number: int) -> "ShardFile":
        if number not in self._shards:
            self._shards[number] = open_shard(self._paths[number], self._modulation, self._use_pread)
        return self._shards[number]


def _open(path: str) -> h5py.File:
    return h5py.File(path, "r", locking="best-effort")


def map_arrays(f: Callable[[np.ndarray], np.ndarray], tree: Any) -> Any:
    """Applies `f` to every array of nested NamedTuples."""
    return type(tree)(*(map_arrays(f, item) for item in tree)) if isinstance(tree, tuple) else f(tree)


def _preset_hashes(file: h5py.File, rows: np.ndarray) -> list[int] | np.ndarray:
    if layout.PRESET_HASH in file:
        stored = _near(layout.require(file, layout.PRESET_HASH), rows)
        return stored if stored.dtype.kind in "iu" else [_hash(layout.text(value).encode()) for value in stored]
    knobs = _near(layout.require(file, layout.CONTINUOUS), rows).astype(np.float32)
    menus = _near(layout.require(file, layout.CATEGORICAL), rows).astype(np.int32)
    return [_hash(knob.tobytes() + menu.tobytes()) for knob, menu in zip(knobs, menus, strict=True)]


def _preset_names(file: h5py.File, rows: np.ndarray) -> list[str]:
    if layout.PRESET_NAME not in file:
        return [""] * len(rows)
    return [layout.text(value) for value in _near(layout.require(file, layout.PRESET_NAME), rows)]


def _near(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Reads ascending rows that are near one another. Reads all rows between too: HDF5 is slow with lists of rows."""
    return dataset[int(rows[0]) : int(rows[-1]) + 1][rows - rows[0]]


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)
