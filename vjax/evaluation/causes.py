"""Properties of recordings that make a match hard, by rule: the reasons that an evaluation gives for its failures.

`causes.jsonl`, in the evaluation's folder, has one line of measured numbers for each recording. Lines in it are not
measured again. `causes_of` applies the rules to them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.levels import block_levels_db
from vjax.audio.several_pitches import has_several_pitches
from vjax.audio.traits import traits_of
from vjax.evaluation.targets import Task
from vjax.io.json_files import short_number
from vjax.io.json_lines import append_line, read_lines
from vjax.io.progress import progress_bar

CAUSES = {
    "several pitches": "a second series of partials, as of a chord",
    "no clear pitch": "noise, a drum, or a pitch that moves",
    "several onsets": "the level rises again after it fell, as in a rhythm",
    "no clear onset": "the level takes more than 0.15 s to rise",
    "longer than the clip": "the recording continues after the part that is compared",
}
"""The causes and their meanings, in the order of tables."""

_SLOW_S = 0.15
_CONTINUES_DB = -40.0  # level of the rest of a recording, relative to the loudest block of the clip
_BLOCK_S = 0.02
_AGAIN_DB = 12.0  # a second onset rises by this much within _RISE_S
_RISE_S = 0.1
_LOUD_DB = 30.0  # and to at least this level below the maximum
_FILE = "causes.jsonl"


def measure_causes(folder: Path, tasks: Sequence[Task]) -> None:
    """Adds the lines that the folder's `causes.jsonl` lacks. Targets without a sound file have no line."""
    log = folder / _FILE
    done = {line["target"] for line in read_lines(log)}
    left = [task for task in tasks if task.clip is not None and task.target.id not in done]
    if left:  # without a bar of no steps
        for task in progress_bar(left, desc="measuring recordings", unit="sound"):
            append_line(log, {"target": task.target.id} | properties(task.clip()))


def read_causes(folder: Path) -> dict[str, list[str]]:
    """The causes of each recording, by target id."""
    return {line["target"]: causes_of(line) for line in read_lines(folder / _FILE)}


def properties(clip: Clip) -> dict[str, Any]:
    """Measures a recording.

    Returns:
      `several_pitches`, see `has_several_pitches`; `clear`: whether its pitch is clear; `onsets`: their number;
      `attack_s`, see `Traits`; `after_db`: the level of the recording after the clip, beside the loudest part of the
      clip; None without such a part.
    """
    levels_db = block_levels_db(clip.audio, clip.sample_rate, _BLOCK_S)
    after_db = block_levels_db(clip.after, clip.sample_rate, _BLOCK_S)
    return {
        "several_pitches": has_several_pitches(clip.audio, clip.sample_rate, clip.pitch),
        "clear": clip.pitch.clear,
        "onsets": count_onsets(levels_db),
        "attack_s": short_number(traits_of(clip.audio, clip.sample_rate).attack_s),
        "after_db": short_number(after_db.max() - levels_db.max()) if len(after_db) else None,
    }


def causes_of(found: Mapping[str, Any]) -> list[str]:
    """The names out of CAUSES that apply to `properties`."""
    applies = (
        found["several_pitches"],
        not found["clear"] and not found["several_pitches"],
        found["onsets"] > 1,
        found["attack_s"] is not None and found["attack_s"] > _SLOW_S,
        found["after_db"] is not None and found["after_db"] > _CONTINUES_DB,
    )
    return [name for name, here in zip(CAUSES, applies, strict=True) if here]


def count_onsets(levels_db: np.ndarray) -> int:
    """The number of onsets in the levels of a sound, in blocks of 20 ms; at least 1.

    A rise of 12 dB within 0.1 s, to at most 30 dB below the maximum, is a further onset.
    """
    span = round(_RISE_S / _BLOCK_S)
    onsets, last = 1, 0
    for i in range(2 * span, len(levels_db)):
        rise_db = levels_db[i] - levels_db[i - span : i].min()
        if rise_db >= _AGAIN_DB and levels_db[i] > levels_db.max() - _LOUD_DB and i - last > span:
            onsets, last = onsets + 1, i
    return onsets
