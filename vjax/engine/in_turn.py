"""Renders several similar presets in one process, one after the other. It is for training data, not for scores.

Loading a preset takes as long as half a render, most of it for wavetables. Presets that share everything except control
values need one load: the other values are set on the loaded Synth. A Synth keeps state from earlier renders
(`vjax.engine.synth`), so such a sound differs a little from that of a fresh Synth; `benchmarks/variants.py` measures
by how much. The same presets in the same order give the same bits.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vjax.engine import synth
from vjax.engine.config import RenderConfig


def render_in_turn(
    presets: Sequence[Mapping[str, Any]], notes: Sequence[Sequence[int]], config: RenderConfig, seed: int = 0
) -> list[np.ndarray | str]:
    """Renders presets that differ only in control values, each at its own notes.

    A unit of work for a fresh process, see `vjax.engine.pool.RenderPool.render_group`.

    Args:
      presets: Vital JSON. All have the tables, LFO shapes, sample and connections of the first.
      notes: MIDI note numbers of each preset.
      config: how to play.
      seed: position of the engine's random generators at the beginning, see `vjax.engine.synth`.

    Returns:
      For each preset, float32 [notes, 2, samples], or the reason why the engine cannot use it.

    Raises:
      ValueError: the presets differ in more than control values, or the engine refused the first.
    """
    values, rest = zip(*map(_split, presets), strict=True)
    if any(other != rest[0] for other in rest):
        raise ValueError("the presets differ in more than control values; load each for itself")
    loaded, current = synth.load(presets[0], config, seed), values[0]
    controls = loaded.get_controls()
    results: list[np.ndarray | str] = []
    for i, (wanted, played) in enumerate(zip(values, notes, strict=True)):
        try:
            synth.validate_values(wanted)
        except ValueError as refused:
            results.append(f"invalid: {refused}")
            continue
        for name, value in wanted.items():
            if value != current[name]:  # all presets have the same names
                controls[name].set(value)
        current = wanted
        warmup_s = synth.VARIATION_WARMUP_S if i else synth.WARMUP_S
        sounds = []
        for note in played:
            synth.settle(loaded, note, config.velocity, warmup_s)
            sounds.append(loaded.render(note, config.velocity, config.note_s, config.seconds))
        results.append(np.stack(sounds))
    return results


def _split(preset: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Returns the values of the preset's controls; and their names and everything else, as text."""
    ranges, settings = synth.control_ranges(), preset["settings"]
    values = {name: float(value) for name, value in settings.items() if name in ranges}
    rest = {name: value for name, value in settings.items() if name not in ranges}
    return values, json.dumps([sorted(values), rest], sort_keys=True)
