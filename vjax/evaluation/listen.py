"""Listening while training: fixed validation sounds, rendered as they are and as they are predicted.

Each sound leaves two WAV files, the predicted preset and a picture of both log-mels, and goes to TensorBoard. The
distance is the mean |difference| of the log-mel pictures; it is only read between the rows printed with it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.files import write_wav
from vjax.audio.mel import MelConfig
from vjax.data.generate import GenerationConfig, log_mel
from vjax.data.reader import sample_parameters
from vjax.inference.compare import comparison_picture, log_comparison, save_picture
from vjax.inference.predict import decode
from vjax.schema import Parameters, Schema
from vjax.training.loop import Evaluator, Snapshot
from vjax.training.writer import Writer
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import write_preset
from vjax.vital.vocabulary import Vocabulary, from_parameters

ROWS = ("random", "nearest", "prediction", "floor")
"""Another sound of the data, the nearest training sound, the model's answer, the target with other random phases."""

_MOST_NEIGHBOURS = 2000  # training sounds searched for the nearest; more would cost minutes of reading
_FLOOR_SEED = 7  # any position of the engine's generators that generation does not use


def make_listener(config: GenerationConfig, n_sounds: int, workers: int | None = None) -> Evaluator:
    """An evaluator that renders `n_sounds` validation sounds and their predictions, the same ones each time.

    A dataset that names other controls than the installed engine's (the report's layout, without names), or whose
    pictures are of another size than these renders', cannot be compared: the listener says so and measures nothing.
    """

    def listen(snapshot: Snapshot, writer: Writer, workdir: Path) -> dict[str, Any]:
        info, reader = snapshot.info, snapshot.reader
        mel_config = MelConfig(**info.mel)
        rendered_shape = (1, mel_config.n_mels, mel_config.frames(config.render.samples))
        if rendered_shape != info.mel_shape:
            print(
                f"listening is left out: the data's mel pictures are {info.mel_shape}, those of a render of "
                f"{config.render.seconds} s would be {rendered_shape}; set config.generation.render to match the data"
            )
            return {}
        _, first = np.unique(reader.preset_hashes()[snapshot.val_rows], return_index=True)
        rows = snapshot.val_rows[np.sort(first)][:n_sounds]
        samples = [reader[row] for row in rows]
        try:
            vocabulary = vocabulary_of(info.catalog_json)
            targets = [_preset(sample_parameters(s, info.schema), info.schema, vocabulary, "target") for s in samples]
            answers = decode(snapshot.predict(rows), info.schema)
            predictions = [_preset(answer, info.schema, vocabulary, "prediction") for answer in answers]
        except ValueError as error:
            print(f"listening is left out: these data cannot be rendered ({error})")
            return {}
        renders = _render(config, samples, targets, predictions, workers)
        bank = [reader[row].mel[0] for row in _spread(snapshot.train_rows, _MOST_NEIGHBOURS)]
        folder = workdir / "listen"
        folder.mkdir(exist_ok=True)
        distances: dict[str, list[float]] = {name: [] for name in ROWS}
        for i, (prediction, renderings) in enumerate(zip(predictions, renders, strict=True)):
            failed = [rendering.error for rendering in renderings if rendering.audio is None]
            if failed:
                print(f"sound {i}: {failed[0]}; left out")
                continue
            target, answer, floor = (rendering.audio[0] for rendering in renderings)
            mels = log_mel(np.stack([target, answer, floor]), mel_config)
            sounds = {"target": target, "prediction": answer}
            _write(folder / f"{i}", sounds, prediction, config.render.sample_rate)
            log_comparison(writer, f"val/audio/{i}", sounds, config.render.sample_rate, snapshot.step)
            to_bank = [np.abs(mels[0] - picture).mean() for picture in bank]
            found = (np.median(to_bank), np.min(to_bank), *(np.abs(mels[0] - mel).mean() for mel in mels[1:]))
            for name, distance in zip(ROWS, found, strict=True):
                distances[name].append(float(distance))
        means = {name: float(np.mean(values)) for name, values in distances.items() if values}
        writer.scalars("val/audio", {f"log_mel_{name}": value for name, value in means.items()}, snapshot.step)
        return {"log_mel_distance": means}

    return listen


def _preset(parameters: Parameters, schema: Schema, vocabulary: Vocabulary, name: str) -> dict[str, Any]:
    return from_parameters(parameters, schema, vocabulary, name=name, comments="written by vjax")


def _render(config: GenerationConfig, samples, targets, predictions, workers: int | None):
    """[(target, prediction, target with another seed)] renderings of each sound, at its note."""
    with RenderPool(config.render, workers) as pool:
        jobs = []
        for sample, target, prediction in zip(samples, targets, predictions, strict=True):
            notes = (int(sample.midi_note),)
            jobs += [RenderJob(target, notes), RenderJob(prediction, notes), RenderJob(target, notes, _FLOOR_SEED)]
        renderings = list(pool.map(jobs))
    return list(zip(renderings[0::3], renderings[1::3], renderings[2::3], strict=True))


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def _write(stem: Path, sounds: dict[str, np.ndarray], prediction: dict[str, Any], sample_rate: int) -> None:
    for label, audio in sounds.items():
        write_wav(f"{stem}-{label}.wav", audio, sample_rate)
    write_preset(f"{stem}-prediction.vital", prediction)
    save_picture(f"{stem}-mel.png", comparison_picture(sounds, sample_rate))
