"""The folder of an evaluation: what was asked, the targets, and one line for each score as soon as it is known.

    settings.json      what was asked; a run into the same folder must ask for the same, or for more
    targets.json       a list of `Target`
    results.jsonl      a `Row` a line, appended: what a killed run goes on from
    evaluation.json    all of it with the summary, evaluation.csv a row for each score; report.html
    sounds/ID/         target.wav, nearest.wav, prediction.wav ... and the presets that made them
    bank/NOTE/         a cache of the bank's sounds; it may be deleted

Neither vita nor jax.
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vjax.audio.metric_names import METRICS
from vjax.io.atomic import replacing
from vjax.io.json_lines import end_last_line, read_lines

_GROWS = {"limit": "--limit", "refine_evals": "--refine-evals", "starts": "--starts"}


@dataclasses.dataclass(frozen=True)
class Target:
    """A sound to come near to.

    Attributes:
      id: unique, and safe as a file's name.
      name: for people.
      author: who is counted together in macro-averages; empty if unknown.
      source: presets, audio or dataset.
      path: of the file, or of the dataset.
      note: MIDI note at which presets are played for it.
    """

    id: str
    name: str
    author: str
    source: str
    path: str
    note: int


@dataclasses.dataclass(frozen=True)
class Row:
    """What one method reached for one target.

    Attributes:
      target: its id.
      method: init, random, nearest, prediction, floor, or a start with its budget, as prediction+100.
      metrics: by name of METRICS; None where there is no number (silence has none). A folder that has no `mss_padded`
        is older: its `mss` is what is called `mss_padded` today.
      evals: sounds that refinement listened to.
      seconds: that refinement took.
      error: why there are no scores; empty if there are.
      label: which preset it was, as the neighbour's name or the start that won.
      kind: of the candidate that won, see `vjax.search.target.Kind`; empty for other rows, and in older folders,
        whose `match` is what `closest` is today.
      editing: of the preset that was written, see `vjax.evaluation.editing`; None without one, and in older folders.
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
    """The rows of a folder, by (target, method), each on the disk before `add` returns."""

    def __init__(self, folder: Path):
        """Reads what is there and changes nothing: another process may be in the middle of writing the last line.

        A last line that is not finished is no row yet; the first `add` replaces it.

        Raises ValueError if another line cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "results.jsonl"
        self._is_writer = False
        self.rows: dict[tuple[str, str], Row] = {}
        for row in _read_rows(self._path):
            self.rows[row.target, row.method] = row

    def add(self, row: Row) -> None:
        if not self._is_writer:
            end_last_line(self._path)
            self._is_writer = True
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(row), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows[row.target, row.method] = row

    def has(self, target: str, method: str) -> bool:
        return (target, method) in self.rows


def start_folder(folder: Path, settings: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Writes settings.json and targets.json, or makes sure that the folder's run asked for the same or less.

    Raises ValueError naming the first setting that differs, and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, settings = folder / "settings.json", json.loads(json.dumps(settings))  # tuples become lists, as in the file
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        for name in [*settings, *(name for name in before if name not in settings)]:
            _check_setting(path, name, before.get(name), settings.get(name))
    write_json(path, settings)
    write_json(folder / "targets.json", [dataclasses.asdict(target) for target in targets])


def write_json(path: Path, content: Any) -> None:
    """Writes JSON that any language reads; the file appears whole or not at all."""
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _check_setting(path: Path, name: str, before: Any, now: Any) -> None:
    if before == now:
        return
    remedy = "give another --out, or the same command as before"
    if name == "limit":
        if now == 0 or (before != 0 and now > before):
            return
        remedy = f"it may only grow: give --limit {before}, or another --out"
    elif name in _GROWS:
        if set(before or ()) <= set(now or ()):
            return
        remedy = f"it may only grow: name {','.join(map(str, before))} too in {_GROWS[name]}, or give another --out"
    raise ValueError(
        f"{path.parent} holds an evaluation with {name}={_short(before)}, now it is {_short(now)}; {remedy}"
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
            raise ValueError(f"{path}: line {number} is no row of an evaluation ({error}); delete the line") from error
    return rows
