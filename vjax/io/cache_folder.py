"""The folder of what can be made again: compiled functions, and the sounds of banks."""

import os
from pathlib import Path

import platformdirs


def cache_folder(name: str) -> Path | None:
    """Makes the folder `name` in vjax's part of the user's cache; on Linux `~/.cache/vjax/NAME`. Returns its path.

    Returns None if there is no such folder: the user has no home, or it cannot be written. A cache is not needed.
    """
    try:
        folder = platformdirs.user_cache_path("vjax") / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    return folder if os.access(folder, os.W_OK) else None
