"""The wavetables and LFO shapes that a checkpoint's predictions choose from."""

from collections.abc import Mapping
from typing import Any

from vjax.data.layout import digest
from vjax.sound.schema import Schema
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.vocabulary import Vocabulary


def checkpoint_vocabulary(meta: Mapping[str, Any], catalog_json: str | None, schema: Schema) -> Vocabulary:
    """The catalogs stored in a checkpoint. Raises ValueError if they are missing, or are not those of its data."""
    stored = meta.get("wavetable_catalog_sha256")
    if catalog_json and stored and digest(catalog_json) != stored:
        raise ValueError(
            f"the checkpoint's catalog has the digest {digest(catalog_json)}, but its data were made with "
            f"{stored}; use the checkpoint as training wrote it"
        )
    try:
        return vocabulary_of(catalog_json, schema)
    except ValueError as error:
        raise ValueError(
            f"the checkpoint cannot name its wavetables and LFO shapes: {error}, or train again on data with a "
            "catalog (vjax generate writes it)"
        ) from error
