"""Predictions as presets that open in Vital."""

from vjax.inference.predict import Answer, Predictor
from vjax.schema import Schema
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, to_preset


def checkpoint_vocabulary(predictor: Predictor) -> Vocabulary:
    """The catalogs that the checkpoint carries. Raises ValueError if they are not those that its schema counts."""
    vocabulary = vocabulary_of(predictor.catalog_json)
    counts = dict(zip(predictor.schema.categorical_names, predictor.schema.option_counts, strict=True))
    for name, size in (("osc_1_wavetable", len(vocabulary.wavetables)), ("lfo_1_shape", len(vocabulary.lfo_shapes))):
        if counts.get(name, 0) > size:
            raise ValueError(
                f"the checkpoint chooses {name} from {counts[name]} entries, but its catalog holds {size}; train again "
                "on data that carry their catalog (vjax generate makes them)"
            )
    return vocabulary


def export_preset(answer: Answer, schema: Schema, vocabulary: Vocabulary, name: str) -> Preset:
    """The predicted preset. `Preset.to_json` writes it as version 1.5.5 with 64 slots, integer controls rounded."""
    return to_preset(answer.parameters, schema, vocabulary, name=name, author="vjax")
