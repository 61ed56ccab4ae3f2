"""Measures loss weights: changes one continuous parameter at a time and measures how much the sound changes."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from vjax.audio.mel import MelConfig
from vjax.data.shard import MEL_BATCH, log_mel
from vjax.engine.config import RenderConfig
from vjax.engine.pool import Rendering, RenderJob, RenderPool, reliable
from vjax.io.progress import progress_bar
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import Parameters, Schema
from vjax.vital.vocabulary import Vocabulary, from_parameters

SMALLEST_WEIGHT, LARGEST_WEIGHT = 0.1, 10.0
"""Limits of a weight, so that the loss ignores no parameter and none dominates it."""


def measure_importance(
    presets: list[tuple[Parameters, int]],
    schema: Schema,
    vocabulary: Vocabulary,
    render: RenderConfig,
    mel: MelConfig,
    per_knob: int = 4,
    delta_norm: float = 0.1,
    workers: int | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Measures loss weights by perturbation.

    Each continuous parameter is changed by `delta_norm` in up to `per_knob` presets in which it is audible. An integer
    parameter changes by one step, if that is more. The weight of a parameter is the mean absolute change of the log-mel
    spectrogram, divided by the mean over all parameters that changed a sound, and limited to [0.1, 10].

    Args:
      presets: (parameters, MIDI note) of the presets to change.

    Returns:
      [n_continuous] float32; 0.1 for parameters that changed no sound.

    Raises:
      ValueError: `presets` is empty, or none of them renders.
    """
    if not presets:
        raise ValueError("importance needs presets in which it can change parameters; the dataset has none")
    changes = list(_changes(presets, schema, per_knob, delta_norm))
    used = sorted({preset for _, preset, _ in changes})
    with RenderPool(render, workers) as pool:
        jobs = [_job(presets[i][0], presets[i][1], schema, vocabulary) for i in used]
        found = zip(used, _log_mels(pool.map(jobs), mel), strict=True)
        mels = {i: unchanged_mel for i, unchanged_mel in found if unchanged_mel is not None}
        if not mels:
            raise ValueError("none of the presets could be rendered; look at the data with `vjax inspect`")
        jobs = (_job(changed, presets[preset][1], schema, vocabulary) for _, preset, changed in changes)
        renderings = progress_bar(
            pool.map(jobs), total=len(changes), unit="sound", desc="turning knobs", disable=not progress
        )
        distances: list[list[float]] = [[] for _ in schema.continuous]
        for (knob, preset, _), changed_mel in zip(changes, _log_mels(renderings, mel), strict=True):
            if changed_mel is not None and preset in mels:
                distances[knob].append(float(np.abs(changed_mel - mels[preset]).mean()))
    change = np.array([np.mean(values) if values else 0.0 for values in distances])
    has_effect = change > 0
    weights = change / change[has_effect].mean() if has_effect.any() else change
    return np.clip(weights, SMALLEST_WEIGHT, LARGEST_WEIGHT).astype(np.float32)


def _changes(presets, schema: Schema, per_knob: int, delta_norm: float) -> Iterator[tuple[int, int, Parameters]]:
    """Yields (parameter index, preset index, changed preset) for each continuous parameter.

    Skips frozen parameters, and takes only presets in which the parameter is audible.
    """
    rules = audibility_rules(schema)
    is_audible = [audible(rules, preset.continuous, preset.categorical, preset[2:]).continuous for preset, _ in presets]
    for knob in np.flatnonzero(~schema.frozen_continuous()):
        control = schema.continuous[knob]
        step = max(delta_norm, 1 / (control.maximum - control.minimum)) if control.integer else delta_norm
        for i in np.flatnonzero([in_preset[knob] for in_preset in is_audible])[:per_knob]:
            continuous = presets[i][0].continuous.copy()
            continuous[knob] += step if continuous[knob] <= 0.5 else -step
            yield int(knob), int(i), presets[i][0]._replace(continuous=continuous)


def _log_mels(renderings: Iterable[Rendering], mel: MelConfig) -> Iterator[np.ndarray | None]:
    """Yields the log-mel spectrogram [n_mels, t] of each one-note rendering, computed in batches.

    Yields None if the audio is missing or not finite.
    """
    renderings = reliable(renderings)
    while chunk := [rendering.audio for rendering in itertools.islice(renderings, MEL_BATCH)]:
        finite = [audio is not None and bool(np.isfinite(audio).all()) for audio in chunk]
        sounds = [audio for audio, is_finite in zip(chunk, finite, strict=True) if audio is not None and is_finite]
        mels = iter(log_mel(np.concatenate(sounds), mel) if sounds else ())
        yield from (next(mels) if is_finite else None for is_finite in finite)


def _job(parameters: Parameters, note: int, schema: Schema, vocabulary: Vocabulary) -> RenderJob:
    return RenderJob(from_parameters(parameters, schema, vocabulary), (note,))
