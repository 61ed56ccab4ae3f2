"""Folders of presets as an evaluation sees them: who made each, and which are the same."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vjax.io.file_names import as_text, stem_text
from vjax.vital.collect import find_files
from vjax.vital.preset import Preset, read_json, read_preset

UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class PresetFile:
    """A preset in a folder, without its parts; `preset` reads it whole.

    Attributes:
      path: of the file.
      relative: its path below the folder that was given, without the ending.
      author: the folder's first level above it where presets lie in subfolders (the most reliable name in collections:
        what people write into the author field varies), else the author field, else `unknown`.
      authors: both of these names, in lower case: presets that share one have the same author.
      content: equal for presets of the same sound: a digest of their settings, without names and comments.
    """

    path: Path
    relative: str
    author: str
    authors: frozenset[str]
    content: str

    @property
    def name(self) -> str:
        return stem_text(self.path)

    def preset(self) -> Preset:
        """Raises ValueError or OSError, naming the file."""
        return read_preset(self.path)


def find_presets(folder: Path) -> list[Path]:
    """All presets in a folder and its subfolders. Raises ValueError if there are none."""
    files = find_files([folder], ".vital")
    if not files:
        raise ValueError(f"{folder} holds no .vital file; give a folder of presets")
    return files


def read_file(path: Path, folder: Path) -> PresetFile:
    """Looks into the preset at `path`, found by `find_presets(folder)`. Raises ValueError, OSError naming the file."""
    raw = read_json(path)
    relative = relative_name(path, folder)
    subfolder, field = relative.rpartition("/")[0].partition("/")[0], str(raw.get("author") or "").strip()
    names = {name.casefold() for name in (subfolder, field) if name}
    return PresetFile(path, relative, subfolder or field or UNKNOWN, frozenset(names - {UNKNOWN}), content_of(raw))


def relative_name(path: Path, folder: Path) -> str:
    """The path below the folder, without its ending, with forward slashes."""
    return as_text(path.relative_to(folder if folder.is_dir() else folder.parent).with_suffix("").as_posix())


def content_of(raw: Mapping[str, Any]) -> str:
    """The digest of a preset's settings, Vital JSON."""
    return hashlib.sha256(json.dumps(raw["settings"], sort_keys=True).encode()).hexdigest()[:32]


def folder_digest(files: Iterable[Path], folder: Path) -> str:
    """Changes whenever a file of the folder does, or one is added, renamed or removed."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(relative_name(path, folder).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
