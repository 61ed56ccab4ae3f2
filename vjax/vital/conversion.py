"""Presets of versions before 1.0: until then, Vital changed the meaning of values. The engine converts them on load."""

import re
from collections.abc import Mapping
from typing import Any

from vjax.engine import synth
from vjax.engine.isolate import IsolatedCallError, MachineError, call_isolated
from vjax.engine.pool import prepare_method
from vjax.vital.wavetables import VITAL_VERSION

_TIMEOUT_S = 30.0


def converted(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns Vital's JSON with settings of version 1.0 or later: `raw` itself, or what the engine makes of it.

    Version 1.0 and later ones have the same meaning of values (all 115 presets were compared). A preset before 1.0 is
    converted in a process of its own.

    Raises ValueError for a version that is not one, and for a preset that the engine cannot convert; OSError if the
    process could not be started.
    """
    version = str(raw.get("synth_version", VITAL_VERSION))
    match = re.match(r"(\d{1,9})\.\d", version)
    if not match:
        raise ValueError(f"synth_version is {version[:40]!r}; expected a version such as {VITAL_VERSION!r}")
    if int(match.group(1)) >= 1:
        return raw
    try:
        found = call_isolated(synth.reloaded, raw, timeout_s=_TIMEOUT_S, method=prepare_method())
    except MachineError as error:
        raise OSError(f"a preset of version {version[:40]} could not be converted: {error}") from error
    except (ValueError, IsolatedCallError) as error:
        raise ValueError(
            f"synth_version is {version[:40]}, before 1.0, and the engine could not convert it ({error}); "
            "open the preset in Vital and save it again"
        ) from error
    return {**raw, "settings": found["settings"], "synth_version": found["synth_version"]}
