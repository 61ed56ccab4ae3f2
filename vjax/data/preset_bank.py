"""Reads people's presets once, as input for the sampler."""

import dataclasses
import os
from collections.abc import Callable

from vjax.io.file_names import as_text, stem_text
from vjax.io.find_files import PRESETS, find_files
from vjax.sound.schema import Parameters
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.preset import read_preset
from vjax.vital.report_changes import report_changes
from vjax.vital.vocabulary import Vocabulary, to_parameters


@dataclasses.dataclass(frozen=True)
class Bank:
    """People's presets in the form that the sampler takes, and the vocabulary with their wavetables and LFO shapes.

    An entry is (name, parameters).
    """

    entries: tuple[tuple[str, Parameters], ...]
    vocabulary: Vocabulary


def load_bank(directory: str | os.PathLike | None, warn: Callable[[str], None] = print) -> Bank:
    """Reads every `.vital` file under `directory`. Without a directory, returns no presets and the shipped vocabulary.

    Leaves out files that cannot be read, and passes a message for each to `warn`. Raises ValueError if none is left.
    """
    if not directory:
        return Bank((), default_vocabulary())
    presets = []
    for path in find_files([directory], PRESETS):
        try:
            presets.append((stem_text(path), report_changes(read_preset(path), as_text(path))))
        except (ValueError, OSError) as error:
            warn(f"left out {as_text(path.name)}: {error}")
    if not presets:
        raise ValueError(f"{directory} contains no readable .vital file; give a folder of presets, or no folder")
    vocabulary = default_vocabulary().extended(preset for _, preset in presets)
    schema = vocabulary.schema()
    return Bank(tuple((name, to_parameters(preset, schema, vocabulary)[0]) for name, preset in presets), vocabulary)
