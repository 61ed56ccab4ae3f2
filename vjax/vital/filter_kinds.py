"""Names a filter's kind: its model, its style, and what its blend makes of it."""

import math

from vjax.vital.preset import Preset
from vjax.vital.units import label_of
from vjax.vital.values import value_of

N_LINEAR = 5
"""Number of `filter_N_model` options that filter by cutoff and blend, from 0: Analog, Dirty, Ladder, Digital, Diode."""

_DIODE, _FORMANT, _COMB, _PHASER = 4, 5, 6, 7
_SLOPES = ("12 dB", "24 dB")  # styles 0 and 1 of the models before Diode
_LOW, _BAND, _HIGH = 0.05, 1.0, 1.95  # values of a filter's blend

# The engine names only the styles of the first four models. The panel shows these for the others.
_STYLES = {
    _DIODE: ("Low Shelf", "Low Cut"),
    _FORMANT: ("AIUO", "AOIE"),
    _COMB: (
        *("Low High Comb", "Low High Flange+", "Low High Flange-"),
        *("Band Spread Comb", "Band Spread Flange+", "Band Spread Flange-"),
    ),
    _PHASER: ("Positive", "Negative"),
}


def style_text(preset: Preset, name: str) -> str:
    """The style of filter `name` as the panel shows it, for example `24dB`. It depends on the model."""
    styles = _STYLES.get(int(value_of(preset, f"{name}_model")))
    style = int(value_of(preset, f"{name}_style"))
    if styles is None:
        return label_of(preset, f"{name}_style")
    return styles[style] if style < len(styles) else str(style)


def filter_shape(preset: Preset, name: str) -> str:
    """What filter `name` does: `24 dB low-pass`, `notch blend`, `comb`."""
    model, style = value_of(preset, f"{name}_model"), value_of(preset, f"{name}_style")
    if model == _DIODE:
        return "low-pass"
    if model >= N_LINEAR:
        return label_of(preset, f"{name}_model").lower()
    if style >= len(_SLOPES):
        return style_text(preset, name).lower()
    return f"{_SLOPES[int(style)]} {blend_shape(value_of(preset, f'{name}_blend'))}"


def blends(preset: Preset, name: str) -> bool:
    """Whether the blend of filter `name` goes from low-pass over band-pass to high-pass."""
    return value_of(preset, f"{name}_model") < _DIODE and value_of(preset, f"{name}_style") < len(_SLOPES)


def blend_shape(blend: float) -> str:
    """What a blend, 0 to 2, makes of a filter for which `blends` holds."""
    kinds = ((_LOW, "low-pass"), (_BAND - _LOW, "between low-pass and band-pass"), (_BAND + _LOW, "band-pass"))
    kinds += ((_HIGH, "between band-pass and high-pass"), (math.inf, "high-pass"))
    return next(kind for limit, kind in kinds if blend < limit)


def filter_kind(preset: Preset, name: str) -> str:
    """Returns the kind of filter `name`, for example `Analog 24 dB low-pass`."""
    model, shape = label_of(preset, f"{name}_model"), filter_shape(preset, name)
    return shape if shape == model.lower() else f"{model} {shape}"
