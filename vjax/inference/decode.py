"""Decodes the outputs of the network to presets."""

from typing import NamedTuple

import numpy as np

from vjax.audio.clip import Clip
from vjax.inference.confidence import Confidence
from vjax.inference.decode_routes import PredictedRoute, route_arrays
from vjax.model.heads import split_logits
from vjax.model.inverse import Prediction
from vjax.sound.schema import Parameters, Schema


def decode(prediction: Prediction, schema: Schema) -> list[Parameters]:
    """The most likely preset for each row of a prediction (arrays with a batch axis). Routes are in canonical order.

    Frozen parameters are not part of a sound and keep their default values.
    """
    defaults = schema.default_parameters()
    frozen_continuous, frozen_categorical = schema.frozen_continuous(), schema.frozen_categorical()
    logits = split_logits(np.asarray(prediction.categorical_logits), schema.option_counts)
    menus = np.stack([np.argmax(menu, -1) for menu in logits], axis=-1)
    decoded = []
    for row, knobs in enumerate(np.asarray(prediction.continuous)):
        continuous = np.where(frozen_continuous, defaults.continuous, knobs)
        categorical = np.where(frozen_categorical, defaults.categorical, menus[row])
        routes = defaults[2:]
        if prediction.modulation is not None:
            routes = route_arrays(np.asarray(prediction.modulation[row]), schema)
        decoded.append(Parameters(continuous.astype(np.float32), categorical.astype(np.int32), *routes))
    return decoded


class PredictedPreset(NamedTuple):
    """The preset that the model predicts for a sound.

    Attributes:
      name: of the sound.
      parameters: the parameters of the preset.
      routes: its modulation routes, strongest first.
      confidence: how sure the prediction is; None if it was not requested.
      network: the raw outputs of the network, without batch axis, on the host.
      mel: [1, n_mels, t] the log-mel spectrogram that the network was given.
      clip: the sound, if it was given as a file or a clip.
      target, midi_note: true parameters, in the dataset's own schema, and note of a dataset row; None for other sounds.
    """

    name: str
    parameters: Parameters
    routes: tuple[PredictedRoute, ...]
    confidence: Confidence | None = None
    network: Prediction | None = None
    mel: np.ndarray | None = None
    clip: Clip | None = None
    target: Parameters | None = None
    midi_note: int | None = None

    def summary(self) -> str:
        """One line for users: how sure the audible parameters are, and how many routes there are."""
        routes = f"{len(self.routes)} route" + ("s" if len(self.routes) != 1 else "")
        if self.confidence is None:
            return routes
        menus, spread = self.confidence.mean_probability, self.confidence.mean_spread_norm
        return f"menus {menus:.0%} sure, knobs +-{spread:.1%} of their range, {routes}"
