"""Whether presets play the right note: the pitches of an evaluation's sounds, beside those of its recordings.

`pitches.jsonl`, in the evaluation's folder, has one line for each target and method. Lines in it are not measured
again.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vjax.audio.files import read_audio
from vjax.audio.pitch import detect_pitch
from vjax.evaluation.results import Target
from vjax.io.json_files import number
from vjax.io.json_lines import append_line, read_lines
from vjax.io.progress import progress_bar

RIGHT_SEMITONES = 0.5
"""A pitch is right if it is at most this far from the wanted one."""

RECORDING = "target"
"""The method of the lines about the recordings themselves."""

PITCHES_FILE = "pitches.jsonl"


def measure_pitches(folder: Path, targets: Sequence[Target], methods: Sequence[str], sample_rate: int) -> None:
    """Adds the lines that the folder's `pitches.jsonl` lacks: {"target", "method", "midi", "clear"}.

    `midi` is a MIDI note with a fraction; None if the sound has no pitch. Methods without a sound in
    `sounds/ID/METHOD.wav` have no line.
    """
    log = folder / PITCHES_FILE
    done = {(line["target"], line["method"]) for line in read_lines(log)}
    left = [
        (target.id, method, path)
        for target in targets
        for method in (RECORDING, *methods)
        if (target.id, method) not in done and (path := folder / "sounds" / target.id / f"{method}.wav").exists()
    ]
    if left:  # without a bar of no steps
        for target, method, path in progress_bar(left, desc="measuring pitches", unit="sound"):
            pitch = detect_pitch(read_audio(path, sample_rate), sample_rate)
            append_line(log, {"target": target, "method": method, "midi": number(pitch.midi), "clear": pitch.clear})


def pitch_errors(folder: Path, targets: Iterable[Target]) -> dict[tuple[str, str], float | None]:
    """By (target, method), by how many semitones a sound is too high; None if the sound has no pitch.

    The wanted pitch is the known note of the recording. If it has none, it is the recording's own pitch, if that is
    clear. Other targets are left out.
    """
    lines = read_lines(folder / PITCHES_FILE)
    wanted = {line["target"]: line["midi"] for line in lines if line["method"] == RECORDING and line["clear"]}
    wanted |= {target.id: float(target.known_note) for target in targets if target.known_note is not None}
    return {
        (line["target"], line["method"]): None if line["midi"] is None else line["midi"] - wanted[line["target"]]
        for line in lines
        if line["method"] != RECORDING and line["target"] in wanted
    }


def right_pitch(errors: Iterable[float | None]) -> Mapping[str, Any]:
    """Summarises pitch errors in semitones.

    Returns:
      `n`; `class`: the share with the right pitch class; `octave`: the share with the right octave too. An error of
      None counts as wrong. The shares are None without errors.
    """
    errors = list(errors)
    classes = [error is not None and abs(error - 12 * round(error / 12)) <= RIGHT_SEMITONES for error in errors]
    both = [error is not None and abs(error) <= RIGHT_SEMITONES for error in errors]
    n = len(errors)
    return {"n": n, "class": sum(classes) / n if n else None, "octave": sum(both) / n if n else None}
