"""Predictions as presets that open in Vital."""

from vjax.inference.decode import PredictedPreset
from vjax.sound.schema import Schema
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, to_preset


def export_preset(prediction: PredictedPreset, schema: Schema, vocabulary: Vocabulary, name: str) -> Preset:
    """The predicted preset. `Preset.to_json` writes version 1.5.5 with 64 slots and rounded integer parameters."""
    return to_preset(prediction.parameters, schema, vocabulary, name=name, author="vjax")
