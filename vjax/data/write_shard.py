"""Checks a shard and writes it."""

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vjax.data import layout
from vjax.data.layout import DatasetError, digest
from vjax.io.atomic import replacing
from vjax.sound.schema import Schema


def write_shard(
    path: str | os.PathLike, schema: Schema, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> None:
    """Writes one shard. It appears at `path` only when it is complete. The same arrays give the same bytes.

    Args:
      path: written as `path + ".partial"`, synced, then renamed. Takes the memory of the arrays once more.
      schema: stored as JSON.
      arrays: by dataset path (`vjax.data.layout.specs`). Required are params/continuous, params/categorical,
        metadata/midi_note, metadata/preset_hash, and features/mel_spectrogram or audio/waveforms.
      attributes: `tier`, `mel` (dict of MelConfig fields) and `generator_version` are required. `catalog` is JSON text
        or None. If another shard of the folder has the catalog, give only its `catalog_sha256`. Other attributes are
        stored too: numbers and text as they are, anything else as JSON.

    Raises:
      OSError: the file cannot be written. There is no new file then.
      DatasetError: something is missing, unknown, or of another type or shape than the schema requires.
    """
    rows = _checked_rows(arrays, schema)
    for name in layout.REQUIRED_ATTRIBUTES:
        if name not in attributes:
            raise DatasetError(f"attribute {name} is missing; a shard needs {', '.join(layout.REQUIRED_ATTRIBUTES)}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if attributes.get("catalog") is not None:
        attributes = {**attributes, "catalog_sha256": digest(attributes["catalog"])}
    # Built in memory: if HDF5 itself cannot write, as on a full disk, it ends the process with SIGSEGV.
    with h5py.File("shard", "w", libver=layout.LIBVER, driver="core", backing_store=False) as file:
        file.attrs["schema"] = schema.to_json()
        for name in (*layout.REQUIRED_ATTRIBUTES, *sorted(set(attributes) - set(layout.REQUIRED_ATTRIBUTES))):
            value = attributes[name]
            if value is not None:
                plain = isinstance(value, (str, bool, int, float, np.generic))
                file.attrs[name] = value if plain else json.dumps(value, sort_keys=True)
        for name, array in rows.items():
            row_chunk = (1, *array.shape[1:]) if array.ndim > 1 else None
            compression = "gzip" if name == layout.DENSE_ROUTES else None
            file.create_dataset(name, data=array, chunks=row_chunk, compression=compression, track_times=False)
        file.attrs["complete"] = True
        file.flush()
        content = file.id.get_file_image()
    with replacing(path) as partial, open(partial, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())


def _checked_rows(arrays: Mapping[str, np.ndarray], schema: Schema) -> dict[str, np.ndarray]:
    """Checks the arrays and returns them in writing order and in the stored types."""
    specs = layout.specs(schema)
    for name in arrays:
        if name not in specs:
            near = difflib.get_close_matches(name, specs, n=2)
            raise DatasetError(f"unknown dataset {name}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    for name in (layout.CONTINUOUS, layout.CATEGORICAL, layout.MIDI_NOTE, layout.PRESET_HASH):
        if name not in arrays:
            raise DatasetError(f"dataset {name} is missing; every shard needs it")
    if layout.MEL not in arrays and layout.WAVEFORMS not in arrays:
        raise DatasetError(f"a shard needs {layout.MEL} or {layout.WAVEFORMS}; neither was given")
    if (layout.ROUTE_INDEX in arrays) != (layout.ROUTE_VALUE in arrays):
        raise DatasetError(f"{layout.ROUTE_INDEX} and {layout.ROUTE_VALUE} belong together; one is missing")
    rows = {name: _stored(name, np.asarray(arrays[name]), spec) for name, spec in specs.items() if name in arrays}
    n = len(rows[layout.CONTINUOUS])
    for name, array in rows.items():
        layout.check_shape(f"the array for {name}", array.shape, n, specs[name].row_shape)
    return rows


def _stored(name: str, array: np.ndarray, spec: layout.Spec) -> np.ndarray:
    if spec.dtypes[0] == layout.TEXT:
        if array.dtype.kind not in "OSU":
            raise DatasetError(f"{name} is {array.dtype}; expected text")
        encoded = array if array.dtype.kind == "S" else np.char.encode(array.astype(str), "utf-8")
        # Fixed length, because variable-length text is stored in a heap whose bytes may differ from run to run.
        return encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))
    if array.dtype.name in spec.dtypes:
        return array
    if not np.can_cast(array.dtype, spec.dtypes[0], "same_kind"):
        raise DatasetError(f"{name} is {array.dtype}; expected {' or '.join(spec.dtypes)}")
    return array.astype(spec.dtypes[0])
