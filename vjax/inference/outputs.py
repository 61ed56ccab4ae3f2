"""What a match leaves on disk: the preset, its sound, a picture; and a table of many matches."""

import csv
import os
from pathlib import Path
from typing import Any

from vjax.audio.files import write_wav
from vjax.inference.compare import comparison_picture, save_picture
from vjax.inference.match import Match
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
    wav, png, target = (stem.with_name(stem.name + end) for end in ("-vjax.wav", "-vjax.png", "-target.wav"))
    write_wav(wav, match.audio, sample_rate)
    sounds = {"target": match.target, "prediction": match.audio}
    title = f"{match.preset.name}, note {match.note}, MSS {match.mss_db:.1f} dB"
    save_picture(png, comparison_picture(sounds, sample_rate, title))
    if with_target:
        write_wav(target, match.target, sample_rate)
    write_preset(preset_path, match.preset)
    return [preset_path, wav, png, *([target] if with_target else [])]


def index_row(match: Match, preset_path: str | os.PathLike) -> dict[str, Any]:
    """The row of a match in `index.csv`."""
    pitch = match.pitch
    return {
        "name": match.name,
        "preset": str(preset_path),
        "note": match.note,
        "pitch_hz": "" if pitch is None else round(pitch.frequency_hz, 2),
        "pitch_confidence": "" if pitch is None else round(pitch.confidence, 3),
        "tuned_semitones": round(match.tuned_semitones, 3),
        "mss_db": round(match.mss_db, 3),
        "summary": match.answer.summary(),
        "error": "",
    }


def append_row(path: str | os.PathLike, row: dict[str, Any]) -> None:
    """Appends to a table of COLUMNS, with its heading if the file is new."""
    new = not os.path.exists(path)
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)
