"""What is known about the sound files of an evaluation: the class of each, its note, and which files are takes.

An index is a CSV file with the columns `file` and `class`. Further columns are optional: `known_midi_note` and
`take_of`. Other columns are ignored. `file` is the path below the folder of sounds. Without an index, or for a file
that it does not contain, the class is the first subfolder.

Takes are recordings of the same instrument, note and velocity. Files with the same text in `take_of` are takes of one
note. A file without a text there counts as a take of itself. So the text is the name of the first take, or any name
that all takes share.
"""

import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from vjax.audio.pitch import parse_note
from vjax.io.file_names import as_text

INDEX_NAME = "INDEX.csv"
"""An index of this name is read if it lies in the folder of sounds."""


@dataclasses.dataclass(frozen=True)
class SoundFile:
    """A sound file and what is known about it.

    Attributes:
      path: of the file.
      name: the path below the folder of sounds, with forward slashes.
      sound_class: for example "drums"; empty if unknown.
      known_note: the MIDI note that was played; None if unknown.
      takes: the other files that are takes of the same note.
    """

    path: Path
    name: str
    sound_class: str = ""
    known_note: int | None = None
    takes: tuple[Path, ...] = ()


def sound_files(paths: Sequence[Path], folder: Path, index: Path | None = None) -> list[SoundFile]:
    """Describes sound files.

    Args:
      paths: files in `folder`; or one file, which may be `folder` itself.
      folder: to which the names in the index are relative.
      index: a CSV file; by default INDEX_NAME in the folder, if there is one.

    Raises ValueError if the index cannot be read, or if it contains none of the files.
    """
    folder = folder if folder.is_dir() else folder.parent
    if index is None and INDEX_NAME in os.listdir(folder):  # exact case: `vjax match` writes an index.csv
        index = folder / INDEX_NAME
    names = {path: as_text(path.relative_to(folder).as_posix()) for path in paths}
    known = _read_index(index) if index else {}
    if known and not known.keys() & set(names.values()):
        raise ValueError(
            f"{index} contains none of the {len(paths)} sounds; its column 'file' has for example "
            f"{next(iter(known))!r}, expected paths below the folder such as {names[paths[0]]!r}"
        )
    groups: dict[str, list[Path]] = {}
    group_of = {path: known[name]["take_of"] or name if name in known else name for path, name in names.items()}
    for path, group in group_of.items():
        groups.setdefault(group, []).append(path)
    return [
        SoundFile(
            path,
            name,
            known[name]["class"] if name in known else name.rpartition("/")[0].partition("/")[0],
            known[name]["note"] if name in known else None,
            tuple(other for other in groups[group_of[path]] if other != path),
        )
        for path, name in names.items()
    ]


def takes_digest(files: Sequence[SoundFile]) -> str | None:
    """A digest that changes if other files are takes of each other; None without takes."""
    names = {file.path: file.name for file in files}
    takes = [(file.name, [names[path] for path in file.takes]) for file in files if file.takes]
    return hashlib.sha256(json.dumps(takes).encode()).hexdigest() if takes else None


def _read_index(path: Path) -> Mapping[str, dict]:
    """{"class", "note", "take_of"} by file. Raises ValueError, naming the line."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give a CSV file with the columns file and class")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in ("file", "class") if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(
                    f"{path} has no column {missing[0]!r}; expected the columns file and class, and if known "
                    "known_midi_note and take_of"
                )
            found: dict[str, dict] = {}
            for row in reader:
                name = (row["file"] or "").strip()
                where = f"{path}: line {reader.line_num}"
                if name in found:
                    raise ValueError(f"{where} repeats the file {name!r}; give each file one line")
                found[name] = {
                    "class": (row["class"] or "").strip(),
                    "note": _note(row.get("known_midi_note") or "", where),
                    "take_of": (row.get("take_of") or "").strip(),
                }
            return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8 ({error}); export it again") from error


def _note(text: str, where: str) -> int | None:
    try:
        return parse_note(text) if text.strip() else None
    except ValueError as error:
        raise ValueError(f"{where}: known_midi_note: {error}") from error
