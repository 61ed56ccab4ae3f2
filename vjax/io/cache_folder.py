"""The folder of what can be made again: compiled functions, and the sounds of banks."""

from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Returns vjax's folder in the user's cache, as the system defines it; on Linux `~/.cache/vjax`.

    It may not exist.
    """
    return platformdirs.user_cache_path("vjax")
