"""What a match leaves on disk: the preset, its render, a picture; its JSON; and the index of many matches."""

import csv
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vjax.audio.files import write_wav
from vjax.audio.metrics import METRICS
from vjax.audio.pitch import Pitch, note_name
from vjax.file_names import as_text, shortened
from vjax.inference.compare import comparison_picture, save_picture
from vjax.inference.stream import RENDER_END
from vjax.matching.choose import Candidate
from vjax.matching.result import MatchResult
from vjax.matching.traces import TRACE_END, trace_picture, write_text
from vjax.vital.preset import write_preset

PICTURE_END = "-vjax.png"

COLUMNS = (
    "name", "preset", "note", "note_s", "pitch_hz", "pitch_confidence", "pitch_error_cents", "label", "candidates",
    *METRICS, "re_render_mss", "evals", "seconds", "warnings", "error",
)  # fmt: skip
"""Of the table `index.csv`. Its metrics are those of the preset that was written."""

TEXT_COLUMNS = ("name", "preset", "label", "warnings", "error")
"""The others hold numbers, or nothing."""

_DIGEST = "vjax-preset-sha256"  # the picture's text that says which preset vjax wrote beside it
_TITLE_LETTERS = 40
_NAME_BYTES = 255  # of a file's name, on nearly all file systems


def write_result(
    result: MatchResult, path: str | os.PathLike, overwrite: bool = False, with_target: bool = False
) -> list[Path]:
    """See `MatchResult.save`.

    Args:
      with_target: also write the sound, as `X-target.wav`, where no file of it exists.
    """
    path = Path(path)
    check_writable(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.with_suffix("")
    wav, picture, target = (stem.with_name(stem.name + end) for end in (RENDER_END, PICTURE_END, "-target.wav"))
    write_wav(wav, result.audio, result.sample_rate)
    if with_target:
        write_wav(target, result.target, result.sample_rate)
    traces = _write_trace(stem, result) if result.trace else []
    partial = path.with_name(path.name + ".new")
    write_preset(partial, result.preset)
    sounds = {"sound": result.target, f"preset: {shortened(as_text(result.label), _TITLE_LETTERS)}": result.audio}
    save_picture(picture, comparison_picture(sounds, result.sample_rate, _title(result)), {_DIGEST: _digest(partial)})
    os.replace(partial, path)
    return [path, wav, picture, *traces, *([target] if with_target else [])]


def check_writable(path: str | os.PathLike, overwrite: bool = False) -> None:
    """Raises what `MatchResult.save` would raise for this path, before the work and not after it."""
    path = Path(path)
    if path.suffix != ".vital" or path.is_dir():
        raise ValueError(f"{path} is {'a folder' if path.is_dir() else 'not the name of a preset'}; give X.vital")
    if path.exists() and not overwrite and not _is_ours(path):
        raise ValueError(
            f"{path} exists, and it is not as an earlier match wrote it; choose another name, or --overwrite it"
        )
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; {path} cannot be written below it")
    longest = _beside(path, TRACE_END).name
    if len(os.fsencode(longest)) > _NAME_BYTES:
        raise ValueError(
            f"{longest:.40}... has {len(os.fsencode(longest))} bytes, at most {_NAME_BYTES} are possible; "
            "give a shorter name by --out"
        )
    try:
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not say whether a file can be made
            pass
    except OSError as error:
        raise PermissionError(f"{folder} cannot be written ({error.strerror}); give another place by --out") from error
    for file in (_beside(path, end) for end in (".vital", RENDER_END, PICTURE_END)):
        if file.exists() and not os.access(file, os.W_OK):
            raise PermissionError(f"{file} cannot be written; give another place by --out")


def result_json(result: MatchResult) -> dict[str, Any]:
    """See `MatchResult.as_json`. Numbers that do not exist are None; JSON has no NaN."""
    return {
        "sound": as_text(result.name),
        "note": result.note,
        "note_name": note_name(result.note),
        "note_given": result.note_given,
        "note_s": result.note_s,
        "pitch": _pitch_json(result.pitch),
        "preset": {
            "name": result.preset.name,
            "style": result.preset.style,
            "comments": result.preset.comments,
            "label": result.label,
            "pitch": _pitch_json(result.plays),
            "pitch_error_cents": number(result.pitch_error_cents),
            "loss": number(result.loss),
            "metrics": {name: number(value) for name, value in result.metrics.items()},
            "routes": [
                {"source": r.source, "destination": r.destination, "amount": r.amount, "bipolar": r.bipolar}
                for r in result.preset.routes
                if r is not None
            ],
        },
        "references": {"re_render_mss_db": number(result.re_render_db)},
        "candidates": [_candidate_json(one) for one in result.candidates],
        "prediction": _prediction_json(result),
        "search": {"evals": result.evals, "trace": [[evals, number(loss)] for evals, loss in result.trace]},
        "seconds": round(result.seconds, 2),
        "warnings": list(result.warnings),
    }


def index_row(result: MatchResult, preset_path: str | os.PathLike) -> dict[str, Any]:
    """The row of a match in the index; what has no number stays empty."""
    return {
        "name": as_text(result.name),
        "preset": as_text(preset_path),
        "note": result.note,
        "note_s": round(result.note_s, 3),
        "pitch_hz": _rounded(result.pitch.frequency_hz, 2),
        "pitch_confidence": _rounded(result.pitch.confidence, 3),
        "pitch_error_cents": _rounded(result.pitch_error_cents, 1),
        "label": result.label,
        "candidates": len(result.candidates),
        **{name: _rounded(result.metrics[name], 4) for name in METRICS},
        "re_render_mss": _rounded(result.re_render_db, 4),
        "evals": result.evals,
        "seconds": round(result.seconds, 2),
        "warnings": "; ".join(result.warnings),
        "error": "",
    }


def start_index(path: str | os.PathLike, names: Collection[str]) -> None:
    """Makes `index.csv` ready for rows of the sounds `names`: new, or as it is without their earlier rows.

    Raises ValueError if there is a table with other columns.
    """
    path = Path(path)
    kept = [row for row in read_index(path) if row["name"] not in names] if path.exists() else []
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
    os.replace(partial, path)


def read_index(path: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of an index. Raises ValueError if the file is another table."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} has other columns than an index of this version; move it, or choose another folder"
            )
        return list(reader)


def append_row(path: str | os.PathLike, row: Mapping[str, Any]) -> None:
    """Appends to the index that `start_index` made, at once: a killed run keeps its rows."""
    with open(path, "a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, COLUMNS, restval="").writerow(row)


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def _write_trace(stem: Path, result: MatchResult) -> list[Path]:
    """The course of a search: `X-trace.png`, and `X-trace.json` with everything that `result_json` says."""
    picture, text = (stem.with_name(stem.name + end) for end in ("-trace.png", TRACE_END))
    save_picture(picture, trace_picture({as_text(stem.name): result.trace}))
    write_text(text, json.dumps(result_json(result), indent=1, allow_nan=False))
    return [picture, text]


def _title(result: MatchResult) -> str:
    distance = "silent" if result.silent else f"MSS {result.mss_db:.1f} dB"
    return f"{shortened(result.preset.name, _TITLE_LETTERS)}, note {note_name(result.note)}, {distance}"


def _is_ours(preset: Path) -> bool:
    """Whether the preset is, byte for byte, what a match wrote."""
    from PIL import Image

    try:
        with Image.open(_beside(preset, PICTURE_END)) as picture:
            return picture.info.get(_DIGEST) == _digest(preset)
    except OSError:
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.stem + end)


def _prediction_json(result: MatchResult) -> dict[str, Any] | None:
    """The network's own: its confidence belongs to the predicted preset, which is seldom the one that is written."""
    if result.prediction is None:
        return None
    sure = result.prediction.confidence
    return {
        "pitch_error_semitones": number(result.predicted.pitch_error_semitones),
        "tuned_semitones": result.predicted.tuned_semitones,
        "error": result.predicted.error,
        "routes": [route._asdict() for route in result.prediction.routes],
        "menu_probability": sure.menu_probability if sure else {},
        "spread_norm": sure.spread_norm if sure else {},
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "label": candidate.label,
        "loss": number(candidate.loss),
        "mss_db": number(candidate.mss_db),
        "pitch_error_semitones": number(candidate.pitch_error_semitones),
        "tuned_semitones": candidate.tuned_semitones,
        "error": candidate.error,
    }


def _pitch_json(pitch: Pitch) -> dict[str, float | None]:
    return {"hz": number(pitch.frequency_hz), "midi": number(pitch.midi), "confidence": pitch.confidence}


def _rounded(value: float, digits: int) -> float | str:
    return round(float(value), digits) if math.isfinite(value) else ""
