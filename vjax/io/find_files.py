"""Finds presets, wavetables, sounds and shards in folders. All files that vjax searches for are found here."""

import collections
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from vjax.io.file_names import as_text

_REMEDY = {".vitalbank": ", a ZIP file: unzip it first"}  # of a kind of file that vjax cannot read

_NAMED = 3  # names of one reason that a line contains at most


class Kind(NamedTuple):
    """The files to find. Capitals make no difference.

    Attributes:
      endings: of their names.
      similar: endings of files that hold such things too, but that vjax cannot read. They are named when passed over.
    """

    endings: tuple[str, ...]
    similar: tuple[str, ...] = ()


PRESETS = Kind((".vital",), (".vitalbank",))
TABLES = Kind((".vitaltable",))
SHARDS = Kind((".h5",))

SOUNDS = Kind(
    (
        ".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".aifc", ".oga", ".opus", ".caf", ".w64", ".rf64", ".wave",
        ".bwf", ".au", ".snd", ".voc",
    ),
    (".m4a", ".aac", ".mp4", ".wma", ".ape", ".wv", ".webm", ".mka", ".ac3", ".amr", ".dsf", ".raw", ".pcm"),
)  # fmt: skip
"""Sound files that libsndfile reads."""


def find_files(paths: Iterable[str | os.PathLike], kind: Kind, deep: bool = True) -> list[Path]:
    """All files of a kind: those of `paths` that are files, and those in the folders of `paths`, sorted within each.

    Links to folders are followed; a folder with several names counts once. Hidden files, which macOS writes beside real
    ones (`._x.vital`), and files of a similar kind are passed over. One line on stderr gives their number and names.

    Args:
      deep: search subfolders, too.

    Raises:
      ValueError: one of `paths` does not exist.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"there is nothing at {path}; give a folder or a *{kind.endings[0]} file")
        passed: dict[str, list[str]] = collections.defaultdict(list)
        taken = []
        for file in _files(path, deep, passed) if path.is_dir() else (path,):
            name = file.name.lower()
            if name.endswith(kind.similar):
                suffix = Path(name).suffix
                passed[f"that vjax cannot read ({suffix}{_REMEDY.get(suffix, '')})"].append(file.name)
            elif name.endswith(kind.endings):
                hidden = file != path and any(part.startswith(".") for part in file.relative_to(path).parts)
                if hidden:
                    passed["hidden"].append(file.name)
                elif file != path and not file.is_file():
                    passed["that are not files"].append(file.name)  # a link to nothing
                else:
                    taken.append(file)
        found += sorted(taken)
        if passed:
            reasons = "; ".join(f"{len(names)} {why}: {_named(names)}" for why, names in passed.items())
            _report(f"{as_text(path)}: passed over {reasons}")
    return found


def find_presets(folder: str | os.PathLike) -> list[Path]:
    """All presets in a folder and its subfolders, sorted. Raises ValueError if there are none."""
    files = find_files([folder], PRESETS)
    if not files:
        raise ValueError(f"{folder} contains no .vital file; give a folder of presets")
    return files


def _files(root: Path, deep: bool, passed: dict[str, list[str]]) -> Iterator[Path]:
    """Yields everything in a folder that is not a folder. Adds folders that cannot be read to `passed`."""
    folders, seen = collections.deque([root]), set()
    while folders:
        folder = folders.popleft()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:  # on Windows, both are set too
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = list(os.scandir(folder))
        except OSError:
            if folder == root:
                raise
            passed["folders that cannot be read"].append(folder.name)
            continue
        for entry in entries:
            if not os.path.isdir(entry):
                yield folder / entry.name
            elif deep:  # links last, so that a file has the name without links
                (folders.append if entry.is_symlink() else folders.appendleft)(folder / entry.name)


def _named(names: list[str]) -> str:
    return as_text(", ".join(sorted(names)[:_NAMED])) + (", ..." if len(names) > _NAMED else "")


@functools.cache  # a command may search a folder more than once
def _report(line: str) -> None:
    print(line, file=sys.stderr)
