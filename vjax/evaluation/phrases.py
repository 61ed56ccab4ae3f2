"""Short phrases of the presets of an evaluation, so that people hear them at notes that were not recorded.

A phrase is three notes: an octave below the recorded note, a fourth above it, and an octave above it. The report plays
it. `sounds/ID/METHOD.phrase.wav` is the file; files that exist are not rendered again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vjax.audio.files import write_wav
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool, reliable
from vjax.engine.scheduler import Scheduler, open_render_pool
from vjax.evaluation.results import Target
from vjax.io.progress import progress_bar
from vjax.vital.preset_json import read_json

SEMITONES = (-12, 5, 12)
"""The notes of a phrase, above the recorded one."""

PHRASE_END = ".phrase.wav"

_NOTE_S, _SECONDS = 0.5, 0.75  # of each note, and with its release
_FADE_S = 0.02  # the release may last longer


def play_phrases(
    folder: Path,
    targets: Sequence[Target],
    methods: Sequence[str],
    render: RenderConfig,
    workers: int | None = None,
    scheduler: Scheduler = "local",
) -> None:
    """Writes the phrases that the folder lacks: of each method's preset, and of the target's own if it has one.

    Notes that are not MIDI notes are left out of a phrase. A preset that fails or is silent at all notes has none.

    Args:
      folder: of the evaluation, with `sounds/ID/METHOD.vital`.
      render: how the targets were rendered; its rate and its velocity are used.
    """
    left = [
        preset
        for target in targets
        for method in ("target", *methods)
        if (preset := folder / "sounds" / target.id / f"{method}.vital").exists() and not phrase_path(preset).exists()
    ]
    if not left:
        return
    notes = {target.id: [target.note + up for up in SEMITONES if 0 <= target.note + up <= 127] for target in targets}
    config = RenderConfig(_SECONDS, _NOTE_S, render.velocity, render.sample_rate, render.timeout_s)
    with open_render_pool(config, workers, scheduler) as pool:
        bar = progress_bar(_phrases(left, notes, pool), total=len(left), desc="playing phrases", unit="preset")
        for preset, phrase in bar:
            if phrase is not None:
                write_wav(phrase_path(preset), phrase, config.sample_rate)


def phrase_path(preset: Path) -> Path:
    """The phrase of a preset's file."""
    return preset.with_name(preset.stem + PHRASE_END)


def _phrases(
    presets: Sequence[Path], notes: dict[str, list[int]], pool: RenderPool
) -> Iterator[tuple[Path, np.ndarray | None]]:
    jobs = (RenderJob(read_json(path), tuple(notes[path.parent.name]), 0) for path in presets)
    fade = np.ones(pool.config.samples, np.float32)
    n = round(_FADE_S * pool.config.sample_rate)
    fade[-n:] = np.linspace(1, 0, n)
    for path, rendering in zip(presets, reliable(pool.map(jobs)), strict=True):
        sounds = [] if rendering.audio is None else [sound * fade for sound in rendering.audio]
        usable = all(np.isfinite(sound).all() for sound in sounds) and any(sound.any() for sound in sounds)
        yield path, np.concatenate(sounds, -1) if usable else None
