"""The index of a folder of matches: `index.csv`, one row a sound, and `index.json`, the same as JSON."""

from __future__ import annotations

import csv
import functools
import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vjax.audio.mel_images import save_image
from vjax.audio.metric_names import METRICS
from vjax.io.atomic import replacing
from vjax.io.file_names import as_text
from vjax.io.find_files import Kind, find_files
from vjax.io.json_files import number, write_json
from vjax.matching.outputs import closest_path
from vjax.matching.traces import TRACE_END, trace_image
from vjax.matching.work import Work

if TYPE_CHECKING:  # `MatchResult.save` imports this module
    from vjax.matching.result import MatchResult


COLUMNS: tuple[str, ...] = (
    "name", "preset", "note", "note_s", "pitch_hz", "pitch_confidence", "pitch_error_cents", "label", "kind",
    "candidates", *METRICS, "re_render_mss", "closest", "closest_label", "closest_kind", "closest_mss",
    "evals", "seconds", "warnings", "error",
)  # fmt: skip
"""Columns of `index.csv`. The metrics are those of `preset`. `closest` is the closest preset, if it was written too."""


TEXT_COLUMNS = ("name", "preset", "label", "kind", "closest", "closest_label", "closest_kind", "warnings", "error")
"""Columns of text. The others contain numbers, or are empty."""


def index_row(result: MatchResult, preset_path: str | os.PathLike) -> dict[str, Any]:
    """The row of a match in the index. A number that does not exist is left empty."""
    return {
        "name": as_text(result.name),
        "preset": as_text(preset_path),
        "note": result.note,
        "note_s": round(result.note_s, 3),
        "pitch_hz": _rounded(result.pitch.frequency_hz, 2),
        "pitch_confidence": _rounded(result.pitch.confidence, 3),
        "pitch_error_cents": _rounded(result.pitch_error_cents, 1),
        "label": result.label,
        "kind": result.kind,
        "candidates": len(result.candidates),
        **{name: _rounded(result.metrics[name], 4) for name in METRICS},
        "re_render_mss": _rounded(result.re_render_db, 4),
        "closest": as_text(closest_path(Path(preset_path))) if result.closest else "",
        "closest_label": result.closest.label if result.closest else "",
        "closest_kind": result.closest.kind if result.closest else "",
        "closest_mss": _rounded(result.closest.mss_db, 4) if result.closest else "",
        "evals": result.evals,
        "seconds": round(result.seconds, 2),
        "warnings": "; ".join(result.warnings),
        "error": "",
    }


def start_index(path: str | os.PathLike, names: Collection[str]) -> None:
    """Prepares `index.csv` for rows of the sounds `names`: creates it, or removes their earlier rows.

    Raises ValueError if the file exists and has other columns.
    """
    path = Path(path)
    kept = [row for row in read_index(path) if row["name"] not in names] if path.exists() else []
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)


def read_index(path: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of an index. Columns that an older index lacks are empty.

    Raises ValueError if it has columns that this version lacks, or none for the name or the preset.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        found = tuple(reader.fieldnames or ())
        if not {"name", "preset"} <= set(found) <= set(COLUMNS):
            raise ValueError(
                f"{path} has other columns than an index of this version; move it, or choose another folder"
            )
        return [dict.fromkeys(COLUMNS, "") | row for row in reader]


def append_row(path: str | os.PathLike, row: Mapping[str, Any]) -> None:
    """Appends a row to the index that `start_index` made, at once, so that a killed run keeps its rows.

    If the row cannot be written, the index is left without a part of it.
    """
    size = os.path.getsize(path)
    try:
        with open(path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, restval="").writerow(row)
    except OSError as error:
        os.truncate(path, size)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _rounded(value: float, digits: int) -> float | str:
    return round(float(value), digits) if math.isfinite(value) else ""


def row_recorder(out: Path, work: Work) -> Callable[[dict[str, Any]], None]:
    """A function that writes the rows of a run. If `out` is a single preset, there is no index."""
    if out.suffix == ".vital":
        return lambda row: None
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.csv"
    start_index(index, {as_text(name) for name in work.paths})
    return functools.partial(append_row, index)


def write_summaries(out: Path, work: Work) -> None:
    """Writes `index.json` (the rows of `index.csv` as one list) and the traces of all searches.

    Each file is written whole or not at all.
    """
    if out.suffix == ".vital":
        return
    rows = [{key: _value(key, text) for key, text in row.items()} for row in read_index(out / "index.csv")]
    write_json(out / "index.json", rows)
    traces = [json.loads(path.read_text()) for path in find_files([out], Kind((TRACE_END,)))]
    if traces:
        write_json(out / "traces.json", traces)
        courses = {one["sound"]: one["search"]["trace"] for one in traces}
        if any(course[1:] for course in courses.values()):  # else no search began, and the image would be empty
            save_image(out / "traces.png", trace_image(courses))


def _value(column: str, text: str) -> str | float | None:
    if column in TEXT_COLUMNS:
        return text
    return number(float(text)) if text else None
