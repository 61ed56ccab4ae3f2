"""The index of a folder of presets: log-mel spectrograms of their sounds, in a file in that folder or in the cache."""

import hashlib
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vjax.engine.synth import VERSION
from vjax.io.atomic import replacing
from vjax.io.cache_folder import cache_folder
from vjax.io.file_names import as_text

FOLDER_INDEX = ".vjax-bank.npz"


_MOST_SETTINGS = 4  # render and mel settings whose entries a folder's index keeps, at most


def index_path(folder: Path) -> Path | None:
    """Returns the path of a folder's index: in the folder, or in the user's cache if the folder is not writable.

    Returns None if neither can be written.
    """
    if os.access(folder, os.W_OK):
        return folder / FOLDER_INDEX
    cache = cache_folder("banks")
    return cache and cache / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}.npz"


def read_index(path: Path | None) -> dict[str, Any]:
    """Reads index entries by key, `CONTENT-NOTE-SETTINGS-ENGINE`. Those of the most recent settings come last."""
    if path is None:
        return {}
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            index: dict[str, Any] = {}
            for name in stored.files:
                if name.endswith("_keys"):
                    mels = stored[name.removesuffix("keys") + "pictures"]
                    index |= dict(zip(stored[name].tolist(), mels, strict=True))
            return index
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        print(f"{path} is not a readable index ({error}); it is made again", file=sys.stderr)
        return {}


def write_index(path: Path | None, index: dict[str, Any], contents: set[str]) -> Path | None:
    """Writes the entries of presets that exist and were rendered by this engine version, for the most recent settings.

    Checkpoints that share a folder may have different settings, and so entries of different sizes.

    Returns the path to write to the next time: None if the file cannot be written.
    """
    if path is None:
        return None
    by_settings: dict[str, list[str]] = {}
    for key in reversed(index):  # new entries are at the end
        content, _, settings, engine = key.split("-", 3)
        if content in contents and engine == VERSION:
            by_settings.setdefault(settings, []).append(key)
    arrays = {}
    for settings in reversed(list(by_settings)[:_MOST_SETTINGS]):
        keys = by_settings[settings][::-1]
        arrays |= {f"{settings}_keys": np.array(keys), f"{settings}_pictures": np.stack([index[key] for key in keys])}
    try:
        write_npz(path, **arrays)
    except OSError as error:  # an index saves time, and nothing depends on it
        tqdm.write(f"the renders of the bank are not kept: {as_text(path)}: {error.strerror or error}", file=sys.stderr)
        return None
    return path


def write_npz(path: Path, **arrays: Any) -> None:
    with replacing(path, unique=True) as partial, open(partial, "wb") as file:  # two runs may write one index
        np.savez_compressed(file, **arrays)
