"""People's presets, read once, as material for the sampler."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from vjax.io.file_names import as_text, stem_text
from vjax.sound.schema import Parameters
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.preset import read_preset
from vjax.vital.vocabulary import Vocabulary, to_parameters


@dataclasses.dataclass(frozen=True)
class Bank:
    """People's presets as the sampler takes them, and the vocabulary that holds their wavetables and LFO shapes."""

    entries: tuple[tuple[str, Parameters], ...]
    vocabulary: Vocabulary


def load_bank(directory: str | os.PathLike | None, warn: Callable[[str], None] = print) -> Bank:
    """Reads every `.vital` file under `directory`; without one, the shipped vocabulary alone.

    Files that cannot be read are named through `warn` and left out. Raises ValueError if none is left.
    """
    if not directory:
        return Bank((), default_vocabulary())
    presets = []
    for path in sorted(Path(directory).rglob("*.vital")):
        try:
            presets.append((stem_text(path), read_preset(path)))
        except (ValueError, OSError) as error:
            warn(f"left out {as_text(path.name)}: {error}")
    if not presets:
        raise ValueError(f"{directory} holds no readable .vital file; give a folder of presets, or none at all")
    vocabulary = default_vocabulary().extended(preset for _, preset in presets)
    schema = vocabulary.schema()
    return Bank(tuple((name, to_parameters(preset, schema, vocabulary)[0]) for name, preset in presets), vocabulary)
