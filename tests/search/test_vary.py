"""Tests of variations before they are rendered."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vjax.search.locks import LOCKS, locked_parts
from vjax.search.vary import varied
from vjax.vital.preset import controls, read_preset

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_varied_with_each_lock_keeps_what_is_locked(path):
    preset = read_preset(path)
    for lock in LOCKS:
        knobs, slots = locked_parts(preset, [lock])
        for one in varied(preset, 4, [lock]):
            np.testing.assert_array_equal(one.continuous[knobs], preset.continuous[knobs])
            kept = [(a, b) for a, b, is_locked in zip(one.routes, preset.routes, slots, strict=True) if is_locked]
            assert all(a == b for a, b in kept)
            one.to_json()  # the engine accepts it


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_varied_keeps_pitches_macros_menus_and_tables(path):
    preset, schema = read_preset(path), controls()
    still = [name.endswith(("_transpose", "_tune")) or name.startswith("macro") for name in schema.continuous_names]
    for one in varied(preset, 4):
        np.testing.assert_array_equal(one.continuous[still], preset.continuous[still])
        np.testing.assert_array_equal(one.categorical, preset.categorical)
        assert one.wavetables == preset.wavetables
        assert not np.array_equal(one.continuous, preset.continuous)
        assert ((one.continuous >= 0) & (one.continuous <= 1)).all()


def test_varied_with_a_seed_is_always_the_same():
    preset = read_preset(PRESETS[0])
    first, again, other = varied(preset, 2, seed=5), varied(preset, 2, seed=5), varied(preset, 2, seed=6)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.continuous, b.continuous)
        assert not np.array_equal(a.continuous, c.continuous)


def test_varied_with_everything_locked_raises_value_error():
    preset = dataclasses.replace(read_preset(PRESETS[0]), routes=(None,) * 64)
    with pytest.raises(ValueError, match="macros locked, nothing is left to vary in"):
        varied(preset, 1, LOCKS)
