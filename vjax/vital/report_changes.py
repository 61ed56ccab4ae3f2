"""Tells users which presets this engine does not play as they are stored."""

import functools
import sys

from tqdm import tqdm

from vjax.engine.synth import VERSION
from vjax.vital.preset import Preset


def report_changes(preset: Preset, name: str) -> Preset:
    """Returns the preset. If reading changed its values, prints one line on stderr, once for each name."""
    if preset.changes:
        first, *others = preset.changes
        more = f" and {len(others)} more" if others else ""
        _print_once(f"note: {name} contains values that {VERSION} does not have, so it is changed: {first}{more}")
    return preset


@functools.cache
def _print_once(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
