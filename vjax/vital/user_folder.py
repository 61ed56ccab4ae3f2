"""Finds the folder in which Vital keeps the user's presets, and saves presets there."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

_PRESETS = Path("User", "Presets")  # below Vital's folder; Vital lists the presets in it


def user_folder(
    given: str | os.PathLike = "",
    home: Path | None = None,
    platform: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
) -> Path:
    """The folder of the user's presets.

    Args:
      given: Vital's folder, or any other folder. It must exist. Empty: Vital's folder on this platform.
      home: the user's home; by default that of the process.

    Returns:
      `User/Presets` below Vital's folder, which may not exist yet; or `given` itself, if it is not Vital's folder.

    Raises:
      FileNotFoundError: the folder does not exist.
    """
    if given:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder; give the folder in which Vital keeps its presets")
        return folder / _PRESETS if (folder / "User").is_dir() else folder
    folders = _folders(Path.home() if home is None else home, platform, environment)
    for folder in folders:
        if folder.is_dir():
            return folder / _PRESETS
    places = " or ".join(map(str, folders))
    raise FileNotFoundError(f"Vital's folder was not found at {places}; start Vital once, or give the folder's path")


def install(preset: str | os.PathLike, folder: Path) -> Path:
    """Copies X.vital to `folder`, and returns its path there. An existing preset is kept: the name gets a number."""
    source = Path(preset)
    path, number = folder / source.name, 1
    folder.mkdir(parents=True, exist_ok=True)
    while path.exists():
        number += 1
        path = folder / f"{source.stem} {number}.vital"
    return Path(shutil.copyfile(source, path))


def _folders(home: Path, platform: str, environment: Mapping[str, str]) -> list[Path]:
    """Where Vital keeps its files on a platform, the likeliest first."""
    if platform == "darwin":
        return [home / "Music" / "Vital", home / "Documents" / "Vital"]
    if platform == "win32":
        return [home / "Documents" / "Vital"]
    data = environment.get("XDG_DATA_HOME", "").strip()
    return [*([Path(data) / "vital"] if data else []), home / ".local" / "share" / "vital"]
