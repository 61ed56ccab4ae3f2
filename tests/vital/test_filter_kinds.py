"""Tests of vjax.vital.filter_kinds."""

import pytest

from vjax.vital.filter_kinds import blends, filter_kind, filter_shape, style_text
from vjax.vital.preset import init
from vjax.vital.values import with_values

ANALOG, DIRTY, LADDER, DIGITAL, DIODE, FORMANT, COMB, PHASER = range(8)


@pytest.mark.parametrize(
    ("model", "style", "blend", "kind"),
    [
        (ANALOG, 0, 0.0, "Analog 12 dB low-pass"),
        (LADDER, 1, 2.0, "Ladder 24 dB high-pass"),
        (DIRTY, 1, 1.0, "Dirty 24 dB band-pass"),
        (DIGITAL, 0, 0.5, "Digital 12 dB between low-pass and band-pass"),
        (ANALOG, 0, 1.5, "Analog 12 dB between band-pass and high-pass"),
        (DIGITAL, 2, 0.0, "Digital notch blend"),
        (DIODE, 1, 0.0, "Diode low-pass"),
        (COMB, 4, 0.0, "comb"),
        (PHASER, 1, 0.0, "phaser"),
        (FORMANT, 0, 0.0, "formant"),
    ],
)
def test_filter_kind_names_model_slope_and_blend(model: int, style: int, blend: float, kind: str):
    preset = with_values(init(), {"filter_1_model": model, "filter_1_style": style, "filter_1_blend": blend})
    assert filter_kind(preset, "filter_1") == kind
    assert blends(preset, "filter_1") == ("dB" in kind)
    assert filter_shape(init(), "filter_2") == "12 dB low-pass"  # another filter


@pytest.mark.parametrize(
    ("model", "style", "text"),
    [
        (ANALOG, 1, "24dB"),
        (DIGITAL, 4, "B/P/N"),
        (DIODE, 1, "Low Cut"),
        (FORMANT, 0, "AIUO"),
        (COMB, 4, "Band Spread Flange+"),
        (PHASER, 1, "Negative"),
        (PHASER, 7, "7"),  # the engine accepts it; the panel has no name for it
    ],
)
def test_style_text_depends_on_the_model(model: int, style: int, text: str):
    preset = with_values(init(), {"filter_fx_model": model, "filter_fx_style": style})
    assert style_text(preset, "filter_fx") == text
