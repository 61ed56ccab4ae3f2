"""The data of the terminal browser: a checkpoint's predictions for the sounds of a dataset, and their renders."""

import dataclasses
import os
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vjax.audio.channels import to_mono
from vjax.audio.distances import mss
from vjax.audio.mel import mel_spectrogram
from vjax.browser.controls import ControlTexts
from vjax.data.reader import Reader, encoded_as
from vjax.data.store import DatasetInfo, open_dataset
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor, render_config
from vjax.inference.predict_many import predict_dataset, validation_split
from vjax.inference.presets import export_preset
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import write_preset
from vjax.vital.vocabulary import from_parameters

_BATCH = 8  # small, so that the first predictions come soon


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """An opened checkpoint and an opened dataset.

    Attributes:
      predictor: of the checkpoint.
      info: of the dataset.
      reader: of the dataset's rows.
      rows: [n], the numbers of the rows to show.
      choice: which rows these are, for people.
      predicted_texts, target_texts: the `ControlTexts` of the predictions and of the dataset's rows.
    """

    predictor: Predictor
    info: DatasetInfo
    reader: Reader
    rows: np.ndarray
    choice: str
    predicted_texts: ControlTexts
    target_texts: ControlTexts


class Pair(NamedTuple):
    """The renders of target and prediction at the row's note.

    Attributes:
      target, prediction: float32 [channels, samples]; None if it could not be rendered, see `problems`.
      mss_db: MSS between the two; NaN if either is silent or missing.
      mel: [n_mels, t] float32, the log-mel spectrogram log(1 + power) of the prediction; None if it is missing.
      problems: one text for each sound that could not be rendered.
    """

    target: np.ndarray | None
    prediction: np.ndarray | None
    mss_db: float
    mel: np.ndarray | None
    problems: tuple[str, ...] = ()


def open_session(checkpoint: str | os.PathLike, dataset: str | os.PathLike, which: str, limit: int) -> Session:
    """Opens checkpoint and dataset.

    The rows are the validation rows of the training run if the checkpoint stores how the run drew them, else all rows.

    Args:
      which: "best" or "latest".
      limit: at most N rows; 0 for all.

    Raises:
      CheckpointError, DatasetError: the checkpoint or the dataset cannot be used.
      ValueError: a negative limit.
    """
    if limit < 0:
        raise ValueError(f"limit={limit}; give the number of sounds to show, or 0 for all")
    predictor = Predictor.from_checkpoint(checkpoint, which, _BATCH)
    info, reader = encoded_as(open_dataset(dataset), predictor.schema)
    rows, choice = validation_split(predictor, reader)
    return Session(
        predictor=predictor,
        info=info,
        reader=reader,
        rows=rows[: limit or None],
        choice=choice,
        predicted_texts=ControlTexts(predictor.schema, predictor.vocabulary),
        target_texts=ControlTexts(info.schema, vocabulary_of(info.catalog_json, info.schema)),
    )


def predictions(session: Session, start: int, stop: int) -> Generator[PredictedPreset]:
    """Predictions, with confidence and target, for `Session.rows[start:stop]`.

    Raises DatasetError if the dataset's log-mel spectrograms do not have the size and settings of the model's.
    """
    rows = session.rows[start:stop].tolist()
    return predict_dataset(session.predictor, session.info, rows, confidence=True, reader=session.reader)


def stored_mel(session: Session, index: int) -> np.ndarray:
    """The stored log-mel spectrogram of the sound `Session.rows[index]`, which is the network's input.

    Returns:
      [n_mels, t] float32, log(1 + power).
    """
    return session.reader[session.rows[index]].mel[0].astype(np.float32)


def render_pair(session: Session, pool: RenderPool, prediction: PredictedPreset) -> Pair:
    """Renders target and prediction. `Pair.problems` describes what cannot be rendered."""
    assert prediction.target is not None, "rows of a dataset have parameters"
    assert prediction.midi_note is not None, "rows of a dataset have a note"
    problems: list[str] = []
    sounds: list[np.ndarray | None] = []
    for side, parameters, texts in (
        ("target", prediction.target, session.target_texts),
        ("prediction", prediction.parameters, session.predicted_texts),
    ):
        sounds.append(None)
        try:
            preset = from_parameters(parameters, texts.schema, texts.vocabulary)
        except ValueError as error:
            problems.append(f"the {side} of {prediction.name} is not a preset of this engine: {error}")
            continue
        rendering = pool.render(RenderJob(preset, (prediction.midi_note,)))
        if rendering.audio is None or not np.isfinite(rendering.audio).all():
            problems.append(f"the engine could not render the {side} of {prediction.name}: {rendering.error or 'NaN'}")
        else:
            sounds[-1] = rendering.audio[0]
    target_audio, predicted_audio = sounds
    mss_db, mel = float("nan"), None
    if predicted_audio is not None:
        mel = np.asarray(mel_spectrogram(to_mono(predicted_audio), session.predictor.mel))
        if target_audio is not None:
            mss_db = float(mss(predicted_audio, target_audio, session.predictor.sample_rate))
    return Pair(target_audio, predicted_audio, mss_db, mel, tuple(problems))


def render_pool(session: Session) -> RenderPool:
    """A pool with the render settings of the training sounds."""
    return RenderPool(render_config(session.predictor))


def export_prediction(session: Session, prediction: PredictedPreset, folder: Path) -> Path:
    """Writes the predicted preset as `folder/row-N.vital` and returns the path.

    An existing preset is not overwritten: the name then gets a number.

    Raises ValueError if the prediction is not a preset of this engine, OSError if the folder is not writable.
    """
    row = int(prediction.name.removeprefix("row "))
    path, number = folder / f"row-{row:06d}.vital", 1
    while path.exists():
        number += 1
        path = folder / f"row-{row:06d}-{number}.vital"
    folder.mkdir(parents=True, exist_ok=True)
    texts = session.predicted_texts
    write_preset(path, export_preset(prediction, texts.schema, texts.vocabulary, path.stem))
    return path.absolute()
