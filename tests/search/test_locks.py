"""Tests of locks: what they keep in real presets."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vjax.cli.refine_flags import LOCK_NAMES, lock_names
from vjax.search.locks import LOCKS, locked_parts
from vjax.vital import preset as vital_preset
from vjax.vital.preset import Route, controls, read_preset

PRESETS = Path(__file__).parents[1] / "data" / "presets"


def names(preset, *locked) -> set[str]:
    knobs, _ = locked_parts(preset, locked)
    return {name for name, is_locked in zip(controls().continuous_names, knobs, strict=True) if is_locked}


def routed(*routes: Route) -> vital_preset.Preset:
    return dataclasses.replace(vital_preset.init(), routes=routes + (None,) * (64 - len(routes)))


def test_locked_parts_are_the_controls_of_the_modules():
    init = vital_preset.init()
    assert {"osc_1_level", "osc_3_wave_frame", "sample_level"} <= names(init, "oscillators")
    assert {"filter_1_cutoff", "filter_2_mix"} <= names(init, "filters")
    assert {"filter_fx_cutoff", "reverb_dry_wet", "delay_feedback", "eq_low_gain"} <= names(init, "effects")
    assert names(init, "envelopes") == {name for name in controls().continuous_names if name.startswith("env_")}
    assert {"lfo_8_phase", "random_1_frequency"} <= names(init, "lfos")
    assert names(init, "macros") == {f"macro_control_{i}" for i in (1, 2, 3, 4)}


def test_locked_parts_of_different_groups_do_not_overlap():
    init = vital_preset.init()
    sizes = [len(names(init, lock)) for lock in LOCKS]
    assert sum(sizes) == len(names(init, *LOCKS))
    assert {"volume", "voice_tune"}.isdisjoint(names(init, *LOCKS))


def test_locked_parts_include_the_routes_from_to_and_through_a_module():
    preset = routed(
        Route("env_2", "filter_1_cutoff", 0.5),
        Route("lfo_1", "osc_1_level", 0.5),
        Route("lfo_2", "modulation_1_amount", 0.5),
        Route("velocity", "reverb_dry_wet", 0.5),
    )
    assert np.flatnonzero(locked_parts(preset, ["envelopes"])[1]).tolist() == [0, 2]
    assert np.flatnonzero(locked_parts(preset, ["filters"])[1]).tolist() == [0, 2]
    assert np.flatnonzero(locked_parts(preset, ["lfos"])[1]).tolist() == [1, 2]
    assert np.flatnonzero(locked_parts(preset, ["effects"])[1]).tolist() == [3]


def test_locked_parts_of_routes_in_a_ring_end():
    preset = routed(Route("velocity", "modulation_2_amount", 0.5), Route("note", "modulation_1_amount", 0.5))
    assert not locked_parts(preset, ["effects"])[1].any()


def test_locked_parts_with_an_unknown_name_raises_value_error():
    with pytest.raises(ValueError, match="'osc' cannot be locked; expected some of oscillators, filters"):
        locked_parts(read_preset(PRESETS / "FM_Bass1.vital"), ["osc"])


def test_locks_of_the_flag_are_those_of_a_search():
    assert LOCK_NAMES == LOCKS
    assert lock_names("filters, lfos") == ("filters", "lfos")
    with pytest.raises(argparse.ArgumentTypeError, match="'lfo' is not a group of modules; give some of osc"):
        lock_names("lfo")
