"""The layout of one shard file: where the rows of each dataset lie, so that they can be read without h5py."""

import dataclasses
import math
import os

import h5py
import numpy as np

from vjax.data import layout
from vjax.data.layout import DatasetError

DEFAULT_MIDI_NOTE = 60


@dataclasses.dataclass(frozen=True)
class Column:
    """One dataset of one shard. `offsets` [n] are the byte offsets of its rows; None if only h5py can read it."""

    path: str  # of the dataset in the file
    dtype: np.dtype
    row_shape: tuple[int, ...]
    row_bytes: int
    offsets: np.ndarray | None

    def read(self, handle: int, rows: list[int], out: np.ndarray, positions: list[int]) -> None:
        """Reads `rows` into `out` at the indices `positions`, without h5py."""
        assert self.offsets is not None, "columns without offsets are read through h5py"
        plain = self.dtype == out.dtype
        target = out if plain else np.empty((len(out), *self.row_shape), self.dtype)
        buffer = target.reshape(-1).view(np.uint8).data
        for row, position in zip(rows, positions, strict=True):
            begin, end = position * self.row_bytes, (position + 1) * self.row_bytes
            n = os.preadv(handle, [buffer[begin:end]], self.offsets[row])
            if n != self.row_bytes:
                raise DatasetError(
                    f"row {row} of a shard ends after {n} of {self.row_bytes} bytes; the file was cut short"
                )
        if not plain:
            out[positions] = target[positions]


@dataclasses.dataclass(frozen=True)
class ShardFile:
    columns: dict[str, Column]
    midi_note: np.ndarray


def open_shard(path: str, modulation: str, use_pread: bool) -> ShardFile:
    with layout.open_hdf5(path) as file:
        return _describe_shard(file, modulation, use_pread)


def _describe_shard(file: h5py.File, modulation: str, use_pread: bool) -> ShardFile:
    stored = {name: name for name in (layout.MEL, layout.CONTINUOUS, layout.CATEGORICAL)}
    if modulation == "sparse":
        stored |= {name: name for name in (layout.ROUTE_INDEX, layout.ROUTE_VALUE)}
    elif modulation == "dense":
        # Both have one name here: after an interrupted `vjax precompute`, only some shards of a folder have the copy.
        fast = layout.finished(file, layout.FAST_DENSE_ROUTES)
        stored[layout.DENSE_ROUTES] = layout.FAST_DENSE_ROUTES if fast else layout.DENSE_ROUTES
    columns = {}
    for name, path in stored.items():
        dataset = layout.require(file, path)
        is_external = dataset.file.filename != file.filename  # a link to another file
        offsets = _row_offsets(dataset) if use_pread and not is_external else None
        columns[name] = Column(
            path=path,
            dtype=dataset.dtype,
            row_shape=dataset.shape[1:],
            row_bytes=_row_bytes(dataset),
            offsets=offsets,
        )
    if layout.MIDI_NOTE in file:
        midi_note = layout.require(file, layout.MIDI_NOTE)[...].astype(np.int32)
    else:
        midi_note = np.full(len(layout.require(file, layout.CONTINUOUS)), DEFAULT_MIDI_NOTE, np.int32)
    return ShardFile(columns, midi_note)


def _row_bytes(dataset: h5py.Dataset) -> int:
    return dataset.dtype.itemsize * math.prod(dataset.shape[1:])


def _row_offsets(dataset: h5py.Dataset) -> np.ndarray | None:
    """Returns [n] int64 byte offsets of the rows in the file, or None if a row is not one plain sequence of bytes."""
    settings = dataset.id.get_create_plist()
    plain = dataset.dtype.kind in "fiu" and settings.get_nfilters() == 0 and settings.get_external_count() == 0
    if not plain or dataset.file.userblock_size:
        return None
    if dataset.chunks is None:
        start = dataset.id.get_offset()  # None if the data are in the header, or not allocated yet
        return None if start is None else start + _row_bytes(dataset) * np.arange(len(dataset), dtype=np.int64)
    if dataset.chunks != (1, *dataset.shape[1:]):
        return None
    offsets = np.full(len(dataset), -1, np.int64)

    def store_offset(chunk) -> None:
        offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(store_offset)
    return None if (offsets < 0).any() else offsets  # a chunk that was never written has no offset
