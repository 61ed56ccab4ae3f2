"""Renders fixed validation sounds and their predicted presets during training.

For each sound it writes two WAV files, the predicted preset and an image of both log-mel spectrograms, and it logs both
to TensorBoard. The distances are those of `vjax evaluate`. They have a meaning only in comparison with the rows that
are printed with them.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.files import write_wav
from vjax.audio.mel_images import comparison_image, log_comparison, save_image
from vjax.audio.metric_names import METRICS
from vjax.audio.scores import scores
from vjax.candidates.predicted import PREDICTION
from vjax.data.generate import GenerationConfig
from vjax.data.reader import Reader, Sample, sample_parameters
from vjax.data.store import DatasetInfo
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.evaluation.roundtrip import REFERENCE_SEEDS
from vjax.inference.decode import decode
from vjax.matching.config import PREDICTION_ONLY
from vjax.matching.match import match
from vjax.matching.result import MatchResult
from vjax.search.candidate import Candidate, Kind
from vjax.sound.schema import Parameters, Schema
from vjax.training.loop import Evaluator, Snapshot
from vjax.training.writer import Writer
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import Preset, write_preset
from vjax.vital.vocabulary import Vocabulary, from_parameters, to_preset

ROWS = ("random", "nearest", "prediction", "floor")
"""The reported rows:

- `random`: other training sounds (the median of a few).
- `nearest`: the nearest training sound.
- `prediction`: the model's prediction.
- `floor`: the re-render reference, which is the target with other random phases (the mean of a few).
"""

_MOST_NEIGHBOURS = 2000  # training sounds searched for the nearest; more would cost minutes of reading
_N_RANDOM = 5  # training sounds, spread over the data


def make_listener(config: GenerationConfig, n_sounds: int, workers: int | None = None) -> Evaluator:
    """An evaluator that renders `n_sounds` validation sounds and their predictions, the same ones each time.

    It logs `val/audio/METRIC_ROW` for each of METRICS and ROWS, and returns these numbers as `audio_distance`. Each is
    a mean over the sounds in which all rows have a number. A row that has no number in any sound is left out.
    `silent_predictions` counts the silent predictions, which have no distance.

    The nearest training sound is the one with the least mean |difference| of log-mel spectrograms, because the dataset
    stores no audio. For the metrics it is rendered again, from its parameters, at its own note. The render settings are
    those stored in the dataset, or `config.render` if it stores none.

    The evaluator logs the reason and measures nothing in these cases:

    - The dataset's controls are not those of the installed engine (for example a file of the earlier program, which
      stores no names).
    - Its spectrograms have another size than those of these renders.

    With `n_sounds` 0 it does nothing.
    """

    def listen(snapshot: Snapshot, writer: Writer, workdir: Path) -> dict[str, Any]:
        if n_sounds == 0:
            return {}
        info, reader = snapshot.info, snapshot.reader
        mel_config, render = info.mel_config, _render_config(info, config)
        rendered_shape = (1, mel_config.n_mels, mel_config.frames(render.samples))
        if rendered_shape != info.mel_shape:
            writer.line(
                f"validation sounds are not rendered: the data's log-mel spectrograms are {info.mel_shape}, "
                f"those of a render of {render.seconds} s would be {rendered_shape}; "
                "set config.generation.render to match the data"
            )
            return {}
        _, first = np.unique(reader.preset_hashes()[snapshot.val_rows], return_index=True)
        rows = snapshot.val_rows[np.sort(first)][:n_sounds]
        samples = [reader[row] for row in rows]
        nearest = _nearest(reader, _spread(snapshot.train_rows, _MOST_NEIGHBOURS), samples)
        random = [reader[row] for row in _spread(snapshot.train_rows, _N_RANDOM)]
        try:
            vocabulary = vocabulary_of(info.catalog_json, info.schema)
            predictions = [
                to_preset(parameters, info.schema, vocabulary, name=PREDICTION, author="vjax")
                for parameters in decode(snapshot.predict(rows), info.schema)
            ]
            jobs = [_job(sample, info.schema, vocabulary) for sample in random]
            for sample, neighbour in zip(samples, nearest, strict=True):
                target = _job(sample, info.schema, vocabulary)
                jobs += [target, _job(neighbour, info.schema, vocabulary)]
                jobs += [RenderJob(target.preset, target.notes, seed) for seed in REFERENCE_SEEDS]
        except ValueError as error:
            writer.line(f"validation sounds are not rendered: the engine cannot render these data ({error})")
            return {}
        with RenderPool(render, workers) as pool:
            renderings = pool.map(jobs)
            others = [
                played.audio[0] for played in itertools.islice(renderings, len(random)) if played.audio is not None
            ]
            folder = workdir / "listen"
            folder.mkdir(exist_ok=True)
            found, silent = [], 0
            for i, prediction in enumerate(predictions):
                played = list(itertools.islice(renderings, 2 + len(REFERENCE_SEEDS)))
                failed = [rendering.error for rendering in played if rendering.audio is None]
                if failed:
                    writer.line(f"sound {i}: {failed[0]}; left out")
                    continue
                target, neighbour, *again = (rendering.played[0] for rendering in played)
                try:
                    result = _match(f"sound {i}", target, prediction, int(samples[i].midi_note), pool)
                except ValueError as error:  # a silent target
                    writer.line(f"{error}; left out")
                    continue
                sounds = {"target": target, PREDICTION: result.audio}
                _write(folder / f"{i}", sounds, result.preset, render.sample_rate)
                log_comparison(writer, f"val/audio/{i}", sounds, render.sample_rate, snapshot.step)
                found.append(_distances(target, result.audio, neighbour, again, others, render.sample_rate))
                silent += result.silent
        means = _means(found)
        scalars = {f"{metric}_{row}": mean for metric, by_row in means.items() for row, mean in by_row.items()}
        writer.scalars("val/audio", {**scalars, "silent_predictions": silent}, snapshot.step)
        return {"audio_distance": means, "silent_predictions": silent}

    return listen


def _match(name: str, target: np.ndarray, predicted: Preset, note: int, pool: RenderPool) -> MatchResult:
    """Compares the predicted preset with a sound, as `vjax export` does, but leaves tuning and level unchanged."""
    clip = Clip(name, PREDICTION, target, pool.config.sample_rate, target[:, :0])
    config = dataclasses.replace(PREDICTION_ONLY, note=note, note_s=pool.config.note_s, tune=False)
    candidate = Candidate(PREDICTION, predicted, kind=Kind.PREDICTION)
    return match(clip, None, pool, config, candidates=(candidate,), only_candidates=True)


def _render_config(info: DatasetInfo, config: GenerationConfig) -> RenderConfig:
    """The render settings of the dataset's sounds if it stores them, else those of the recipe."""
    if not info.render:
        return config.render
    return dataclasses.replace(RenderConfig(**info.render), timeout_s=config.render.timeout_s)  # of this machine


def _nearest(reader: Reader, rows: np.ndarray, samples: Sequence[Sample]) -> list[Sample]:
    """For each sample, the sample among `rows` with the nearest log-mel spectrogram."""
    best = [(np.inf, -1)] * len(samples)
    for row in rows:
        mel = reader[row].mel
        for i, sample in enumerate(samples):
            best[i] = min(best[i], (float(np.abs(sample.mel - mel).mean()), int(row)))
    return [reader[row] for _, row in best]


def _distances(
    target: np.ndarray,
    predicted: np.ndarray,
    neighbour: np.ndarray,
    again: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    sample_rate: int,
) -> dict[str, tuple[float, ...]]:
    """Each of METRICS for the ROWS of one sound, in their order; NaN for silence."""
    found = scores(np.stack([predicted, neighbour, *again, *others]), target, sample_rate)
    rows = {}
    for metric, values in found.items():
        reference, random = values[2 : 2 + len(again)], values[2 + len(again) :]
        random = random[~np.isnan(random)]
        rows[metric] = (np.median(random) if len(random) else np.nan, values[1], values[0], reference.mean())
    return rows


def _means(found: Sequence[dict[str, tuple[float, ...]]]) -> dict[str, dict[str, float]]:
    """Means by metric and row.

    A row without any number is left out. The means of the others are over the sounds in which they all have a number.
    """
    means: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        table = np.array([sound[metric] for sound in found]).reshape(-1, len(ROWS))
        scored = np.asarray(~np.isnan(table).all(0))
        whole = table[~np.isnan(table[:, scored]).any(1)]
        if scored.any() and len(whole):
            means[metric] = {row: float(whole[:, i].mean()) for i, row in enumerate(ROWS) if scored[i]}
    return means


def _preset(parameters: Parameters, schema: Schema, vocabulary: Vocabulary, name: str) -> dict[str, Any]:
    return from_parameters(parameters, schema, vocabulary, name=name, comments="written by vjax")


def _job(sample: Sample, schema: Schema, vocabulary: Vocabulary) -> RenderJob:
    """The job that renders a sample's parameters at the sample's note."""
    preset = _preset(sample_parameters(sample, schema), schema, vocabulary, "target")
    return RenderJob(preset, (int(sample.midi_note),))


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def _write(stem: Path, sounds: dict[str, np.ndarray], prediction: Preset, sample_rate: int) -> None:
    for label, audio in sounds.items():
        write_wav(f"{stem}-{label}.wav", audio, sample_rate)
    write_preset(f"{stem}-prediction.vital", prediction)
    save_image(f"{stem}-mel.png", comparison_image(sounds, sample_rate))
