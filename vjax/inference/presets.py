"""Predictions as presets that open in Vital."""

from vjax.data.layout import digest
from vjax.inference.predict import Answer, Predictor
from vjax.sound.schema import Schema
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, to_preset


def checkpoint_vocabulary(predictor: Predictor) -> Vocabulary:
    """The catalogs that the checkpoint carries. Raises ValueError if they are not those of its data."""
    stored = predictor.meta.get("wavetable_catalog_sha256")
    if predictor.catalog_json and stored and digest(predictor.catalog_json) != stored:
        raise ValueError(
            f"the checkpoint's catalog has the digest {digest(predictor.catalog_json)}, but its data were made with "
            f"{stored}; use the checkpoint as training wrote it"
        )
    try:
        return vocabulary_of(predictor.catalog_json, predictor.schema)
    except ValueError as error:
        raise ValueError(
            f"the checkpoint cannot name its wavetables and LFO shapes: {error}; train again on data that carry their "
            "catalog (vjax generate makes them)"
        ) from error


def export_preset(answer: Answer, schema: Schema, vocabulary: Vocabulary, name: str) -> Preset:
    """The predicted preset. `Preset.to_json` writes it as version 1.5.5 with 64 slots, integer controls rounded."""
    return to_preset(answer.parameters, schema, vocabulary, name=name, author="vjax")
