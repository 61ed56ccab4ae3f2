"""Folders of presets for an evaluation: the author of each preset, and which presets are the same."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vjax.io.file_names import as_text, stem_text
from vjax.vital.preset import Preset, read_preset
from vjax.vital.preset_json import read_json
from vjax.vital.report_changes import report_changes

UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class PresetFile:
    """A preset file in a folder. The object does not contain the settings; `preset` reads them.

    Attributes:
      path: of the file.
      relative: the path below the given folder, without the ending.
      author: the first subfolder of the path, if presets lie in subfolders; else the author field; else `unknown`. The
        subfolder is the most reliable name in collections, because people fill in the author field in different ways.
      authors: both names, case-folded. Two presets that share a name count as by the same author.
      content: a digest of the settings, without names and comments; equal for presets of the same sound.
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
        """Reads the preset, see `report_changes`. Raises ValueError or OSError, naming the file."""
        return report_changes(read_preset(self.path), as_text(self.path))


def read_file(path: Path, folder: Path) -> PresetFile:
    """Reads author and content of the preset at `path`, which `find_presets(folder)` found.

    Raises ValueError or OSError, naming the file.
    """
    raw = read_json(path)
    relative = relative_name(path, folder)
    subfolder, field = relative.rpartition("/")[0].partition("/")[0], str(raw.get("author") or "").strip()
    names = {name.casefold() for name in (subfolder, field) if name}
    return PresetFile(path, relative, subfolder or field or UNKNOWN, frozenset(names - {UNKNOWN}), content_of(raw))


def relative_name(path: Path, folder: Path) -> str:
    """The path below the folder, without its ending, with forward slashes."""
    return as_text(path.relative_to(folder if folder.is_dir() else folder.parent).with_suffix("").as_posix())


def content_of(raw: Mapping[str, Any]) -> str:
    """The digest of the settings of a preset (Vital JSON)."""
    return hashlib.sha256(json.dumps(raw["settings"], sort_keys=True).encode()).hexdigest()[:32]


def folder_digest(files: Iterable[Path], folder: Path) -> str:
    """A digest that changes if a file of the folder changes, or if one is added, renamed or removed."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(relative_name(path, folder).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
