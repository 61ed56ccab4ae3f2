"""Predicts the parameters of a preset from a sound. It needs only a checkpoint folder.

    predictor = Predictor.from_checkpoint("runs/tier3")
    prediction = predictor.predict(audio, sample_rate=48000)

Many sounds at once: `vjax.inference.predict_many`.
"""

import dataclasses
import functools
import operator
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vjax.audio.channels import to_mono
from vjax.audio.clip import Clip, make_clip
from vjax.audio.mel import MelConfig, mel_spectrogram
from vjax.engine.config import RenderConfig
from vjax.inference.catalogs import checkpoint_vocabulary
from vjax.inference.confidence import confidence_maker, knob_spread, menu_probabilities
from vjax.inference.decode import PredictedPreset, decode
from vjax.inference.decode_routes import PredictedRoute, predicted_routes
from vjax.io.errors import reading
from vjax.model.inverse import InverseModel, Prediction
from vjax.shipped import NAME, checkpoint_folder
from vjax.sound.schema import Schema
from vjax.training.checkpoint import load_checkpoint
from vjax.training.losses import LossConfig
from vjax.training.saving import CheckpointError
from vjax.vital.vocabulary import Vocabulary

QUIETEST_DBFS, LOUDEST_DBFS, USUAL_DBFS = -40.0, 40.0, -12.0
"""A sound with a peak outside of the first two levels is analysed at the third, at which most training sounds peak.

The network has no training sounds there. Predictions for 14 sounds at -60 dBFS had a mean MSS of 15.9 dB; for the same
sounds at -12 dBFS, it was 11.6 dB.
"""


class BatchOutputs(NamedTuple):
    """What the device returns for a batch.

    Attributes:
      prediction: the outputs of the network.
      spread: [b, n_continuous], see `knob_spread`.
      mels: [b, 1, n_mels, t] log-mel spectrograms, the network's input.
    """

    prediction: Prediction
    spread: jax.Array
    mels: jax.Array


@dataclasses.dataclass(frozen=True, eq=False)
class Predictor:
    """A loaded checkpoint. The first call compiles; later calls, with any number of sounds, do not.

    Attributes:
      model, variables: the network and its weights, on the device.
      schema: names and ranges of the parameters.
      meta: everything else that the checkpoint stores, see `checkpoint.make_meta`.
      step: the training step of the checkpoint.
      mel: settings of the log-mel spectrograms that the model takes.
      samples: length of the clip that the model analyses.
      render: how the training sounds were rendered, or None if the dataset did not store it.
      batch_size: number of sounds that go to the device together. One sound costs as much as a full batch.
    """

    model: InverseModel
    variables: Any
    schema: Schema
    meta: dict[str, Any]
    step: int
    mel: MelConfig
    samples: int
    render: RenderConfig | None
    batch_size: int

    @classmethod
    def from_checkpoint(
        cls, directory: str | os.PathLike = NAME, which: str = "best", batch_size: int = 32
    ) -> "Predictor":
        """Loads a checkpoint from its folder, or from the folder of its run. No other file is needed.

        "shipped" is the model that comes with vjax.

        Args:
          which: "best" by validation loss, or "latest".
          batch_size: 1 is best for a single sound.

        Raises:
          CheckpointError: there is no checkpoint, or its contents contradict each other.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}; it must be at least 1")
        restored = load_checkpoint(checkpoint_folder(os.fspath(directory)), which)
        meta = restored.meta
        with reading(directory, CheckpointError, "get it again, or train another one"):
            mel = MelConfig.from_settings(meta["mel"], f"checkpoint {directory}")
            render = RenderConfig(**meta["render"]) if meta.get("render") else None
        return cls(
            model=restored.model,
            variables=restored.variables,
            schema=restored.schema,
            meta=meta,
            step=restored.step,
            mel=mel,
            samples=_clip_samples(meta, mel, render),
            render=render,
            batch_size=batch_size,
        )

    @property
    def sample_rate(self) -> int:
        return self.mel.sample_rate

    @property
    def catalog_json(self) -> str | None:
        """The catalog that the catalog choices of a prediction refer to, as JSON."""
        return self.meta["wavetable_catalog_json"]

    @property
    def presence(self) -> str:
        """The presence loss of the training, which gives `PredictedRoute.presence` its meaning."""
        return self.meta["settings"].get("loss", {}).get("presence", LossConfig.presence)

    def predict(self, audio: np.ndarray, sample_rate: int | None = None, name: str = "audio") -> PredictedPreset:
        """Predicts the preset of one sound.

        Args:
          audio: floats [channels, samples], full scale at +-1, of any length. `prepare_clip` defines the part that is
            analysed.
          sample_rate: of `audio`; by default the model's own.

        Raises:
          AudioError: silence, too short, too loud, NaN, not floats, or another shape.
        """
        return self._predict(audio, sample_rate, name, confidence=False)

    def predict_with_confidence(
        self, audio: np.ndarray, sample_rate: int | None = None, name: str = "audio"
    ) -> PredictedPreset:
        """As `predict`, but also with the confidence. The predicted preset is the same."""
        return self._predict(audio, sample_rate, name, confidence=True)

    def predict_clip(self, clip: Clip) -> PredictedPreset:
        """As `predict_with_confidence`, for a clip of the length `samples`."""
        audio = network_input(clip.audio)
        return self.decode_batch(self.run(audio[None]), [clip.name], confidence=True)[0]._replace(clip=clip)

    def run(self, audio: np.ndarray) -> BatchOutputs:
        """Sends mono clips [n, samples], n <= `batch_size`, to the device, and does not wait for the result.

        The batch is padded with silence.
        """
        return _run(self.variables, self._padded(audio), self.model, self.mel)

    def run_mels(self, mels: np.ndarray) -> BatchOutputs:
        """As `run`, for log-mel spectrograms [n, 1, n_mels, t]."""
        return _run(self.variables, self._padded(mels), self.model, None)

    def decode_batch(
        self, outputs: BatchOutputs, names: Sequence[str], confidence: bool = False
    ) -> list[PredictedPreset]:
        """Waits for the device, and decodes the first rows of the batch, one for each name."""
        on_host: Any = jax.device_get(outputs)  # the same with NumPy's arrays
        rows = jax.tree.map(lambda array: array[: len(names)], on_host)
        prediction, matrices = rows.prediction, rows.prediction.modulation
        probabilities = menu_probabilities(prediction.categorical_logits, self.schema.option_counts)
        found = []
        without_routes = decode(prediction._replace(modulation=None), self.schema)
        for row, (name, parameters) in enumerate(zip(names, without_routes, strict=True)):
            routes: Sequence[PredictedRoute] = ()
            if matrices is not None:
                routes, (index, value) = predicted_routes(matrices[row], self.schema, presence=self.presence)
                parameters = parameters._replace(route_index=index, route_value=value)
            row_confidence = None
            if confidence:
                presence = tuple(route.presence for route in routes)
                row_confidence = self._confidence(parameters, probabilities[row], rows.spread[row], presence)
            network = jax.tree.map(operator.itemgetter(row), prediction)
            mel = rows.mels[row]
            found.append(PredictedPreset(name, parameters, tuple(routes), row_confidence, network, mel))
        return found

    def _predict(self, audio: np.ndarray, sample_rate: int | None, name: str, confidence: bool) -> PredictedPreset:
        clip = make_clip(audio, self.sample_rate, self.samples, name, audio_rate=sample_rate)
        return self.decode_batch(self.run(network_input(clip.audio)[None]), [name], confidence)[0]

    def _padded(self, sounds: np.ndarray) -> np.ndarray:
        """Pads a batch with zeros to `batch_size` rows, so that only one shape is compiled."""
        if not 0 < len(sounds) <= self.batch_size:
            raise ValueError(f"{len(sounds)} sounds do not fit a batch of {self.batch_size}")
        padded = np.zeros((self.batch_size, *sounds.shape[1:]), np.float32)
        padded[: len(sounds)] = sounds
        return padded

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The catalogs stored in the checkpoint. Raises ValueError if they do not fit its schema."""
        return checkpoint_vocabulary(self.meta, self.catalog_json, self.schema)

    @functools.cached_property
    def _confidence(self):
        return confidence_maker(self.schema, self.meta["tier"])


def render_config(predictor: Predictor) -> RenderConfig:
    """How predicted presets are rendered: as the training sounds were; if unknown, for the length of the clip."""
    if predictor.render is not None:
        return predictor.render
    seconds = predictor.samples / predictor.sample_rate
    return RenderConfig(seconds=seconds, note_s=0.75 * seconds, sample_rate=predictor.sample_rate)


def knob_errors(predictor: Predictor) -> dict[str, float]:
    """The validation error of each continuous parameter, norm units, where the checkpoint stores it."""
    errors = predictor.meta.get("knob_error_norm") or []
    return {n: e for n, e in zip(predictor.schema.continuous_names, errors, strict=False) if e is not None}


def network_input(clip: np.ndarray) -> np.ndarray:
    """[channels, samples] to [samples], see `to_mono`; at `USUAL_DBFS` if it is quieter or louder than training sounds.

    All other sounds keep their bits.
    """
    sound = to_mono(clip)
    peak = np.abs(sound).max()
    quietest, loudest, usual = (10 ** (dbfs / 20) for dbfs in (QUIETEST_DBFS, LOUDEST_DBFS, USUAL_DBFS))
    if 0 < peak < quietest or loudest < peak < np.inf:
        sound = sound * np.float32(usual / peak)
    return sound


@functools.partial(jax.jit, static_argnames=("model", "mel"))
def _run(variables: Any, sounds: jax.Array, model: InverseModel, mel: MelConfig | None) -> BatchOutputs:
    """All work of the device, as one compiled function.

    Args:
      sounds: mono clips [b, samples]; or log-mel spectrograms [b, 1, n_mels, t] if `mel` is None.
    """
    mels = sounds if mel is None else mel_spectrogram(sounds, mel)[:, None]
    features: Any = model.apply(variables, mels, method="features")
    prediction: Any = model.apply(variables, features, method="heads")
    return BatchOutputs(prediction, knob_spread(model, variables, features), mels)


def _clip_samples(meta: dict[str, Any], mel: MelConfig, render: RenderConfig | None) -> int:
    """The length of the clip that the model analyses: it must give as many frames as the training spectrograms have."""
    _, n_mels, frames = meta["mel_shape"]
    if n_mels != mel.n_mels:
        raise CheckpointError(
            f"the model takes {n_mels} mel bands, but its mel settings give {mel.n_mels}; train again"
        )
    if render is not None:
        if (render.sample_rate, mel.frames(render.samples)) != (mel.sample_rate, frames):
            raise CheckpointError(
                f"the model takes {frames} frames at {mel.sample_rate} Hz, but the renders of its dataset last "
                f"{render.seconds} s at {render.sample_rate} Hz, which gives {mel.frames(render.samples)} frames; "
                "train again on log-mel spectrograms of those renders"
            )
        return render.samples
    configured = meta["settings"].get("generation", {}).get("render")  # of the run's own recipe, if they fit
    if configured and mel.frames(RenderConfig(**configured).samples) == frames:
        return RenderConfig(**configured).samples
    return (frames - 1) * mel.hop
