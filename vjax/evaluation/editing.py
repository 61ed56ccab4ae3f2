"""How well a musician can edit the presets of an evaluation, as measured by `vjax.vital.editability`."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vjax.vital.editability import PARTS, counts_text, editability, editing_text
from vjax.vital.preset import Preset

_TITLES = ("osc", "filters", "effects", "routes", "cycles")


def editing(preset: Preset) -> dict[str, int | bool]:
    """Whether a preset is editable, and the count of each of PARTS, as JSON types."""
    found = editability(preset)
    return {"editable": found.editable} | {part: int(getattr(found, part)) for part in PARTS}


def summary(presets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Summarises presets, each as `editing` describes it.

    Returns:
      `n`: the number of presets; `editable` and `macros`: the shares of presets that are editable and that have named
      macros; the medians of the other PARTS. Shares and medians are None if there is no preset.
    """
    presets = list(presets)
    medians = {part: float(np.median([one[part] for one in presets])) if presets else None for part in PARTS[:-1]}
    shares = {
        "editable": float(np.mean([one["editable"] for one in presets])) if presets else None,
        "macros": float(np.mean([one["macros"] > 0 for one in presets])) if presets else None,
    }
    return {"n": len(presets)} | shares | medians


def text(found: Mapping[str, Any] | None) -> str:
    """One line for people about a result of `editing` or of `summary`; empty if there is no preset."""
    if not found or not found.get("n", 1):
        return ""
    if "n" not in found:
        return editing_text(found)
    shares = f"{found['editable']:.0%} editable, {found['macros']:.0%} with named macros"
    return f"{shares}; medians: {counts_text(found, PARTS[:-1])}"


def table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each method that has presets; empty if none has."""
    shown = {method: found for method, found in summaries.items() if found["n"]}
    if not shown:
        return ""
    width = max(14, *map(len, shown))
    lines = [f"{'preset':{width}} {'n':>4} {'editable':>8} {'macros':>6} " + " ".join(f"{t:>7}" for t in _TITLES)]
    for method, found in shown.items():
        shares = f"{found['editable']:>8.0%} {found['macros']:>6.0%}"
        medians = " ".join(f"{found[part]:7g}" for part in PARTS[:-1])
        lines.append(f"{method:{width}} {found['n']:4} {shares} {medians}")
    lines.append("editable, macros: shares of presets that are easy to edit, and that have named macros; then medians")
    return "\n".join(lines)
