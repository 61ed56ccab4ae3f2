"""Names, types and shapes of the arrays in a dataset file (HDF5). Imports neither vita nor jax.

```
params/continuous        [n, n_continuous] float32 norm
params/categorical       [n, n_categorical] int32 option indices
params/modulation_t3     [n, 4, n_sources, n_destinations] float32, gzip    dense routes, the report's layout
modulation/index, value  [n, 64] int32, [n, 64, 4] float32                  sparse routes, vjax's layout
features/mel_spectrogram [n, 1, n_mels, t] float32 or float16
features/modulation_t3   as params/modulation_t3, uncompressed
audio/waveforms          [n, channels, samples] float32 or float16, optional
metadata/...             [n] each
importance_weights/weights [n_continuous] float32, optional
```

Arrays with one row per sample have one chunk per sample; `metadata/...` is contiguous.
"""

import contextlib
import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from vjax.io.atomic import DISK_ERRORS
from vjax.io.errors import reading
from vjax.io.find_files import SHARDS, find_files
from vjax.io.unzipped import read_unzipped
from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.sound.schema import Schema

CONTINUOUS = "params/continuous"
CATEGORICAL = "params/categorical"
DENSE_ROUTES = "params/modulation_t3"
FAST_DENSE_ROUTES = "features/modulation_t3"
ROUTE_INDEX = "modulation/index"
ROUTE_VALUE = "modulation/value"
MEL = "features/mel_spectrogram"
WAVEFORMS = "audio/waveforms"
MIDI_NOTE = "metadata/midi_note"
PRESET_HASH = "metadata/preset_hash"
CANDIDATE = "metadata/candidate"
PRESET_NAME = "metadata/preset_name"
IMPORTANCE = "importance_weights/weights"

SHARD_DIGITS = 5  # at least; shard 100,000 has six digits

_OVERHEAD_BYTES = 2**20  # of the names and indices of a few arrays

ROWS_DONE = "rows_done"
"""Attribute of a dataset that is still being filled: the number of rows done. A finished dataset does not have it."""

# The file format of HDF5 1.8. Later formats have a write mark. A killed writer would leave it behind, and then no
# reader could open the file. The version is fixed, so that the same arrays give the same bytes under a newer HDF5.
LIBVER = ("v108", "v108")

TEXT = "text"

REQUIRED_ATTRIBUTES = ("tier", "mel", "generator_version")
"""Attributes that a shard needs besides the schema."""


REMEDY = "make it again, or leave it out"
"""What to do with a damaged file."""

_MOST_COMPRESSED = 2000  # gzip compresses zeros to a thousandth
_SMALL_BYTES = 2**20


class DatasetError(ValueError):
    """A dataset that cannot be used as it is. The message names the file, the dataset or attribute, and the remedy."""


class Spec(NamedTuple):
    """Types and shape of one dataset. `row_shape` is without the first axis, the rows; -1 stands for any length."""

    dtypes: tuple[str, ...]  # an array of another type is converted to the first
    row_shape: tuple[int, ...]


def specs(schema: Schema) -> dict[str, Spec]:
    """Every dataset with one row per sample, in the order in which a shard is written."""
    matrix = (len(CHANNELS), len(schema.sources), len(schema.destinations))
    return {
        CONTINUOUS: Spec(("float32",), (len(schema.continuous),)),
        CATEGORICAL: Spec(("int32",), (len(schema.categorical),)),
        DENSE_ROUTES: Spec(("float32",), matrix),
        ROUTE_INDEX: Spec(("int32",), (N_SLOTS,)),
        ROUTE_VALUE: Spec(("float32",), (N_SLOTS, len(CHANNELS))),
        MEL: Spec(("float32", "float16"), (1, -1, -1)),
        FAST_DENSE_ROUTES: Spec(("float32",), matrix),
        WAVEFORMS: Spec(("float32", "float16"), (-1, -1)),
        MIDI_NOTE: Spec(("int32",), ()),
        "metadata/velocity": Spec(("float32",), ()),
        "metadata/source": Spec((TEXT,), ()),
        PRESET_HASH: Spec(("int64",), ()),
        PRESET_NAME: Spec((TEXT,), ()),
        "metadata/tier": Spec(("int32",), ()),
        "metadata/seed": Spec(("int64",), ()),
        CANDIDATE: Spec(("int32",), ()),
    }


def matches_shape(row_shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(row_shape) == len(expected) and all(e in (-1, s) for s, e in zip(row_shape, expected, strict=True))


def check_shape(what: str, shape: tuple[int, ...], n: int, row_shape: tuple[int, ...]) -> None:
    if not (len(shape) > 0 and shape[0] == n and matches_shape(shape[1:], row_shape)):
        raise DatasetError(
            f"{what} has shape {list(shape)}; expected {describe_shape(row_shape)} with n = {n} rows, "
            f"as in {CONTINUOUS}"
        )


def describe_shape(row_shape: tuple[int, ...]) -> str:
    return f"[{', '.join(['n', *('any' if length == -1 else str(length) for length in row_shape)])}]"


def shard_name(number: int) -> str:
    return f"shard-{number:0{SHARD_DIGITS}d}.h5"


def sorted_shards(folder: Path) -> list[Path]:
    """The `*.h5` files of a folder (see `find_files`): numbered shards by number, others by name."""
    return sorted(find_files([folder], SHARDS, deep=False), key=_shard_order)


def _shard_order(path: Path) -> tuple[str, int, str]:
    # Sorted as text, shard-100000.h5 would come before shard-99999.h5.
    numbered = re.fullmatch(r"shard-(\d+)\.h5", path.name, re.ASCII)
    return ("shard-", int(numbered[1]), path.name) if numbered else (path.name, -1, path.name)


def shard_paths(path: str | os.PathLike) -> tuple[str, ...]:
    """Returns the file at `path`, or the `*.h5` shards of the folder at `path` in the order of `sorted_shards`.

    Raises DatasetError if there is none, or only unfinished ones (`.partial`).
    """
    path = Path(path)
    if path.is_dir():
        shards = tuple(str(shard) for shard in sorted_shards(path))
        if not shards:
            unfinished = len(list(path.glob("*.partial")))
            raise DatasetError(
                f"{path} contains no *.h5 shard ({unfinished} unfinished *.partial files); "
                "run `vjax generate` for this folder, or run it again if it was interrupted"
            )
        return shards
    if not path.is_file():
        raise DatasetError(f"there is no dataset at {path}; give an HDF5 file or a folder of *.h5 shards")
    if path.suffix == ".partial":
        raise DatasetError(f"{path} is an unfinished shard; run `vjax generate` again to finish it")
    return (str(path),)


@contextlib.contextmanager
def open_hdf5(path: str, mode: str = "r") -> Iterator[h5py.File]:
    """Opens an existing HDF5 file. Raises DatasetError if it is damaged, in use, or not an HDF5 file."""
    try:
        # Locking is best effort, because some cluster file systems have no locks.
        file = h5py.File(path, mode, locking="best-effort")
    except OSError as error:
        if "unable to lock file" in str(error):
            raise DatasetError(f"{path} is in use by another process; wait until that ends") from error
        raise DatasetError(
            f"{path} cannot be opened as HDF5; it is damaged, or not a dataset. Give an HDF5 file of "
            "`vjax generate`, or a folder of *.h5 shards"
        ) from error
    with file, reading(path, DatasetError, REMEDY) if mode == "r" else contextlib.nullcontext():
        yield file


def check_storage(file: h5py.File, names: Iterable[str]) -> None:
    """Raises DatasetError for a dataset that declares far more than the file stores.

    Its rows were never written, and reading them would take memory or time without limit.
    """
    for name in names:
        one = file.get(name)
        if isinstance(one, h5py.Dataset) and one.nbytes > _MOST_COMPRESSED * one.id.get_storage_size() + _SMALL_BYTES:
            raise DatasetError(
                f"{file.filename}: {name} declares {one.nbytes} bytes and stores {one.id.get_storage_size()}; "
                "it was not written completely: make the file again"
            )


@contextlib.contextmanager
def growing(file: h5py.File, n_bytes: int) -> Iterator[None]:
    """Reserves space on the disk for arrays of `n_bytes` that the block adds to an open file.

    If HDF5 itself cannot write, as on a full disk, it ends the process with SIGSEGV.

    Raises OSError, before the file is changed, if there is no space.
    """
    handle = file.id.get_vfd_handle()
    size = os.fstat(handle).st_size
    try:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(handle, size, n_bytes + _OVERHEAD_BYTES + n_bytes // 8)
    except OSError as error:
        os.ftruncate(handle, size)
        if error.errno in DISK_ERRORS:
            raise OSError(error.errno, error.strerror, file.filename) from error
    yield
    file.flush()
    os.ftruncate(handle, file.id.get_filesize())


def require(file: h5py.File, name: str, remedy: str = REMEDY) -> h5py.Dataset:
    """Returns the dataset `name`. Raises DatasetError with the remedy if the file does not have it."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DatasetError(f"{file.filename} has no dataset {name}; {remedy}")
    return found


def is_vjax_layout(file: h5py.File) -> bool:
    """Whether the file is in vjax's layout; otherwise it is in the report's.

    vjax writes `generator_version` before the arrays and `complete` after them.
    """
    return "generator_version" in file.attrs or "complete" in file.attrs


def finished(file: h5py.File, name: str) -> bool:
    """Whether the dataset exists, and was not left half-filled by an interrupted `vjax precompute`."""
    return name in file and ROWS_DONE not in file[name].attrs


def text(value: Any) -> str:
    """The value of a text attribute, `str` or `bytes`, as `str`. Some writers store it as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def digest(catalog_json: str) -> str:
    """The SHA-256 of a catalog's text. It identifies a catalog that is stored elsewhere."""
    return hashlib.sha256(catalog_json.encode()).hexdigest()


def read_catalog(path: str | os.PathLike) -> str:
    """Returns the unchecked text of a catalog file (.json or .json.gz). Raises DatasetError if it cannot be read."""
    try:
        return read_unzipped(path).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetError(f"the wavetable catalog {path} cannot be read ({error}); give a JSON file") from error
