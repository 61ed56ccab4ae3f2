"""What a match leaves on disk: the preset, its sound, a picture; and a table of many matches."""

import csv
import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from vjax.audio.files import write_wav
from vjax.file_names import as_text
from vjax.inference.compare import comparison_picture, save_picture
from vjax.inference.match import Match
from vjax.inference.stream import RENDER_END
from vjax.vital.preset import write_preset

COLUMNS = ("name", "preset", "note", "pitch_hz", "pitch_confidence", "tuned_semitones", "mss_db", "summary", "error")
"""Of the table `index.csv`."""


def write_match(
    match: Match, preset_path: str | os.PathLike, sample_rate: int, with_target: bool = False
) -> list[Path]:
    """Writes `x.vital`, `x-vjax.wav` (its render) and `x-vjax.png` (target and render); the preset last.

    Args:
      preset_path: x.vital.
      with_target: also write the target, as `x-target.wav`, where no file of it exists.

    Returns:
      The files, the preset first.
    """
    preset_path = Path(preset_path)
    preset_path.parent.mkdir(parents=True, exist_ok=True)
    stem = preset_path.with_suffix("")
    wav, png, target = (stem.with_name(stem.name + end) for end in (RENDER_END, "-vjax.png", "-target.wav"))
    write_wav(wav, match.audio, sample_rate)
    sounds = {"target": match.target, "preset": match.audio}
    distance = "silent" if math.isnan(match.mss_db) else f"MSS {match.mss_db:.1f} dB"
    title = f"{match.preset.name:.40}, note {match.note}, {distance}"
    save_picture(png, comparison_picture(sounds, sample_rate, title))
    if with_target:
        write_wav(target, match.target, sample_rate)
    write_preset(preset_path, match.preset)
    return [preset_path, wav, png, *([target] if with_target else [])]


def index_row(match: Match, preset_path: str | os.PathLike) -> dict[str, Any]:
    """The row of a match in `index.csv`; what is not known (no pitch, no distance to silence) stays empty."""
    pitch = match.pitch
    return {
        "name": as_text(match.name),
        "preset": as_text(preset_path),
        "note": match.note,
        "pitch_hz": "" if pitch is None else _rounded(pitch.frequency_hz, 2),
        "pitch_confidence": "" if pitch is None else _rounded(pitch.confidence, 3),
        "tuned_semitones": _rounded(match.tuned_semitones, 3),
        "mss_db": _rounded(match.mss_db, 3),
        "summary": match.answer.summary(),
        "error": "",
    }


def start_table(path: str | os.PathLike, names: Collection[str], columns: tuple[str, ...] = COLUMNS) -> None:
    """Makes a table of `columns` ready for rows of the sounds `names`: new, or as it is without their earlier rows.

    Raises:
      ValueError: there is a file of another kind.
    """
    path = Path(path)
    kept: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != columns:
                raise ValueError(f"{path} is another table than vjax writes there; move it, or choose another folder")
            kept = [row for row in reader if row["name"] not in names]
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(kept)
    os.replace(partial, path)


def append_row(path: str | os.PathLike, row: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> None:
    """Appends to the table that `start_table` made, at once: a stopped run keeps its rows."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, columns, restval="").writerow(row)


def _rounded(value: float, digits: int) -> float | str:
    return "" if math.isnan(value) else round(value, digits)
