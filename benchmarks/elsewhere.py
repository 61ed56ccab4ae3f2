"""Plays matched presets at other notes, lengths and velocities, and compares them with the target presets.

    vjax evaluate --checkpoint shipped --presets DIR --out runs/ev
    python benchmarks/elsewhere.py runs/ev --methods nearest,match

Takes the presets that an evaluation kept. Plays each, and its target's own preset, at other notes, for a shorter and a
longer time and softly. No method has a recording of these. Prints the medians of MSS beside those as recorded. `floor`
is the re-render reference: the target against itself with other random phases. elsewhere.jsonl, in the evaluation's
folder, has one line for each sound, method and condition; lines in it are not played again.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vjax.io.json_lines import end_last_line, read_lines


class Condition(NamedTuple):
    """How a preset is played: by default as the recording was made.

    Attributes:
      semitones: above the recorded note.
      share: of the note's length.
      note_s, seconds: the lengths of the note and of the recording instead.
      velocity: from 0 to 1.
    """

    semitones: int = 0
    share: float = 1.0
    note_s: float | None = None
    seconds: float | None = None
    velocity: float | None = None


CONDITIONS = {
    "as recorded": Condition(),
    "octave up": Condition(12),
    "fourth up": Condition(5),
    "octave down": Condition(-12),
    "half as long": Condition(share=0.5),
    "held for 6 s": Condition(note_s=6.0, seconds=8.0),
    "velocity 0.2": Condition(velocity=0.2),
}
_FORMER_NAMES = {"as heard": "as recorded"}
"""Names of conditions in files of earlier runs."""

_REFERENCE = "floor"
"""The re-render reference's name in the files and in the table."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of an evaluation of presets")
    parser.add_argument("--methods", default="nearest,match", help="of the evaluation, whose presets are played")
    parser.add_argument("--json", type=Path, help="write the table's numbers to this file")
    arguments = parser.parse_args()
    targets = json.loads((arguments.folder / "targets.json").read_text())
    settings = json.loads((arguments.folder / "settings.json").read_text())
    methods = arguments.methods.split(",")
    log = arguments.folder / "elsewhere.jsonl"
    done = {(row["target"], row["method"], row["condition"]) for row in _lines(log)}
    from vjax.engine.config import RenderConfig

    render = RenderConfig(**settings["render"])
    for condition in CONDITIONS:
        left = [t for t in targets if not {(t["id"], m, condition) for m in (*methods, _REFERENCE)} <= done]
        _play(arguments.folder, left, methods, condition, render, log, done)
    _table(_lines(log), methods, arguments.json)


def _play(folder: Path, targets: list[dict], methods: list[str], condition: str, render, log: Path, done: set) -> None:
    from vjax.audio.distances import mss
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.io.progress import progress_bar
    from vjax.vital.preset import read_json

    how = CONDITIONS[condition]
    config = dataclasses.replace(
        render,
        note_s=how.note_s or how.share * render.note_s,
        seconds=how.seconds or render.seconds,
        velocity=how.velocity or render.velocity,
    )
    end_last_line(log)
    with RenderPool(config) as pool, log.open("a") as file:
        for target in progress_bar(targets, desc=condition, unit="sound"):
            sound_folder = folder / "sounds" / target["id"]
            files = {method: sound_folder / f"{method}.vital" for method in methods}
            files = {"target": sound_folder / "target.vital", _REFERENCE: sound_folder / "target.vital"} | files
            note = target["note"] + how.semitones
            jobs = {
                name: RenderJob(read_json(path), (note,), int(name == _REFERENCE))
                for name, path in files.items()
                if path.exists()
            }
            played = dict(zip(jobs, pool.map(jobs.values()), strict=True))
            sounds = {name: one.audio[0] for name, one in played.items() if one.audio is not None}
            for name, audio in sounds.items():
                if name == "target" or "target" not in sounds or (target["id"], name, condition) in done:
                    continue
                distance = float(mss(audio, sounds["target"], config.sample_rate))
                row = {"target": target["id"], "method": name, "condition": condition, "mss": distance}
                file.write(json.dumps(row) + "\n")
                file.flush()  # a run that is killed continues from here


def _lines(log: Path) -> list[dict]:
    """The rows of the file, with the current names of conditions."""
    return [row | {"condition": _FORMER_NAMES.get(row["condition"], row["condition"])} for row in read_lines(log)]


def _table(rows: list[dict], methods: list[str], out: Path | None) -> None:
    """Prints medians and means over the audible targets."""
    table = {}
    print(f"{'MSS dB, median (mean)':22} " + " ".join(f"{condition:>15}" for condition in CONDITIONS))
    for method in (*methods, _REFERENCE):
        cells = {}
        for condition in CONDITIONS:
            found = [row["mss"] for row in rows if (row["method"], row["condition"]) == (method, condition)]
            found = [distance for distance in found if np.isfinite(distance)]
            cells[condition] = (float(np.median(found)), float(np.mean(found)), len(found)) if found else None
        table[method] = cells
        shown = ["-" if cell is None else f"{cell[0]:.2f} ({cell[1]:.2f})" for cell in cells.values()]
        print(f"{method:22} " + " ".join(f"{text:>15}" for text in shown))
    if out:
        out.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
