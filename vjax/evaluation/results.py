"""The folder of an evaluation: its settings, its targets, and its results, which are written as soon as they exist.

    settings.json      the settings; a later run into the same folder must have the same settings, or larger limits
    targets.json       a list of `Target`
    results.jsonl      one `Row` a line, appended; a killed run continues from it
    evaluation.json    all of the above, with the summary
    evaluation.csv     one line for each row
    report.html        the report
    sounds/ID/         target.wav, nearest.wav, prediction.wav, ... and their presets
    elsewhere.jsonl, turns.jsonl, pitches.jsonl, causes.jsonl
                       what was measured on these, see the modules of these names
    bank/NOTE/         a cache of the bank's sounds; it may be deleted

This module imports neither vita nor jax.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vjax.audio.metric_names import METRICS
from vjax.io.json_files import write_json
from vjax.io.json_lines import append_line, read_lines

_GROWS = {"limit": "--limit", "refine_evals": "--refine-evals", "starts": "--starts"}


@dataclasses.dataclass(frozen=True)
class Target:
    """A sound that the methods try to reproduce.

    Attributes:
      id: unique, and safe as a file name.
      name: for people.
      author: targets of the same author form one group in macro-averages; empty if unknown.
      source: `presets`, `audio` or `dataset`.
      path: of the file, or of the dataset.
      note: MIDI note at which presets are played for this target.
      sound_class: of a sound file, such as "drums"; empty if unknown, and in older folders.
      known_note: the MIDI note that was played, if a sound file has a known one. The match does not use it.
    """

    id: str
    name: str
    author: str
    source: str
    path: str
    note: int
    sound_class: str = ""
    known_note: int | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """The result of one method for one target.

    Attributes:
      target: id of the target.
      method: for example `init`, `random`, `nearest`, `prediction`, `match`, `floor` or `take`; or a refinement, named
        by its start and budget, such as `prediction+100`.
      metrics: by name of METRICS; None where there is no number, as for silence. A folder without `mss_padded` is
        older: its `mss` is what is called `mss_padded` today.
      evals: the number of renders that a match or a refinement took.
      seconds: the time that it took.
      error: why there are no scores; empty if there are scores.
      label: which preset it is, for example the name of the neighbour, or of the candidate that won.
      kind: of the candidate that won, see `vjax.search.target.Kind`. Empty for other rows and in older folders, whose
        `match` is what `closest` is today.
      editing: of the written preset, see `vjax.evaluation.editing`. None without a preset, and in older folders.
    """

    target: str
    method: str
    metrics: dict[str, float | None]
    evals: int = 0
    seconds: float = 0.0
    error: str = ""
    label: str = ""
    kind: str = ""
    editing: dict[str, int | bool] | None = None

    @property
    def scored(self) -> bool:
        return not self.error


def failed_row(target: str, method: str, error: str) -> Row:
    """The row of a method that has no sound to score."""
    return Row(target, method, dict.fromkeys(METRICS), error=error)


class Results:
    """The rows of a folder, by (target, method). Each row is on the disk before `add` returns."""

    def __init__(self, folder: Path):
        """Reads the existing rows.

        Changes no file, because another process may be writing the last line at this moment. An unfinished last line
        does not count as a row; the first `add` replaces it.

        Raises ValueError if any other line cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "results.jsonl"
        self.rows: dict[tuple[str, str], Row] = {}
        for row in _read_rows(self._path):
            self.rows[row.target, row.method] = row

    def add(self, row: Row) -> None:
        append_line(self._path, dataclasses.asdict(row))
        self.rows[row.target, row.method] = row

    def has(self, target: str, method: str) -> bool:
        return (target, method) in self.rows


def start_folder(folder: Path, settings: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Writes settings.json and targets.json.

    If the folder has settings already, they must be the same, or `limit`, `refine_evals` and `starts` may have grown.
    These may differ too: the folder of the checkpoint, if the weights are the same; the order of the metrics; and the
    settings of searches, if there was no search.

    Raises ValueError that names the first setting that differs, and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, settings = folder / "settings.json", json.loads(json.dumps(settings))  # tuples become lists, as in the file
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        same_metrics = set(before.get("metrics", ())) == set(settings.get("metrics", ()))
        equal = {"metrics": same_metrics, "refine": not before.get("refine_evals")}
        for name, digest in (("checkpoint", "weights_sha256"), ("path", "sha256"), ("bank", "bank_sha256")):
            equal[name] = bool(settings.get(digest)) and before.get(digest) == settings[digest]
        for name in [*settings, *(name for name in before if name not in settings)]:
            if not equal.get(name):
                _check_setting(path, name, before.get(name), settings.get(name))
    write_json(path, settings)
    write_json(folder / "targets.json", [dataclasses.asdict(target) for target in targets])


def _check_setting(path: Path, name: str, before: Any, now: Any) -> None:
    if before == now:
        return
    remedy = "give another --out, or the same command as before"
    if name == "metrics":
        remedy = f"run `python benchmarks/rescore.py {path.parent}` for today's metrics, or give another --out"
    if name == "limit":
        if now == 0 or (before != 0 and now > before):
            return
        remedy = f"it may only grow: give --limit {before}, or another --out"
    elif name in _GROWS:
        if set(before or ()) <= set(now or ()):
            return
        remedy = f"it may only grow: name {','.join(map(str, before))} too in {_GROWS[name]}, or give another --out"
    raise ValueError(
        f"{path.parent} contains an evaluation with {name}={_short(before)}, now it is {_short(now)}; {remedy}"
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _read_rows(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            rows.append(Row(**line))
        except TypeError as error:
            problem = f"{path}: line {number} is not a row of an evaluation ({error})"
            raise ValueError(f"{problem}; delete the line") from error
    return rows
