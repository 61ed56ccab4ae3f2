"""Finds presets and wavetables in folders."""

import os
from collections.abc import Iterable
from pathlib import Path


def find_files(folders: Iterable[str | os.PathLike], suffix: str) -> list[Path]:
    """All files with `suffix` under the folders (or the files themselves), sorted within each."""
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.exists():
            raise ValueError(f"there is nothing at {folder}; give a folder or a *{suffix} file")
        matches = [folder] if folder.is_file() else sorted(folder.rglob(f"*{suffix}"))
        found += [path for path in matches if path.suffix == suffix]
    return found


def find_presets(folder: str | os.PathLike) -> list[Path]:
    """All presets in a folder and its subfolders, sorted. Raises ValueError if there are none."""
    files = find_files([folder], ".vital")
    if not files:
        raise ValueError(f"{folder} contains no .vital file; give a folder of presets")
    return files
