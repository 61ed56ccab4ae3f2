"""Recipes, their variants and overrides."""

import subprocess
import sys
from pathlib import Path

import pytest

from vjax.training.config import VARIANTS, base_config, unpack

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tier", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_recipe_unpacks(tier, variant):
    config = unpack(base_config(tier, variant))
    assert config.tier == config.generation.sampling.tier == tier
    assert (config.loss.modulation_weight > 0) == (tier == 3)


def test_the_full_recipe_has_the_reports_numbers():
    config = unpack(base_config(3))
    loss = config.loss
    assert (loss.continuous_weight, loss.categorical_weight, loss.modulation_weight) == (1.0, 0.5, 0.3)
    assert (loss.modulation_pos_weight, loss.modulation_warmup_epochs) == (20.0, 5)
    assert config.generation.notes == (48, 60, 72)
    assert (config.generation.render.seconds, config.generation.render.sample_rate) == (2.0, 44100)
    assert config.generation.mel.frames(config.generation.render.samples) == 173
    assert (config.generation.sampling.route_p, config.generation.sampling.max_routes) == (0.15, 20)


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_recipes_play_each_preset_over_the_keyboard(tier):
    for variant, n in (("", 3), ("demo", 3), ("smoke", 1)):
        generation = unpack(base_config(tier, variant)).generation
        assert generation.notes_per_preset == len(generation.notes_of(0, 0, 0)) == n
        assert (generation.notes_of(0, 0, 0) != generation.notes_of(0, 0, 1)) == (n > 1)
    low, high = unpack(base_config(tier)).generation.note_range
    assert low < 48
    assert high > 72


def test_the_reports_notes_and_another_range_are_one_override_away():
    config = base_config(3)
    config.generation.random_notes = 0
    assert unpack(config).generation.notes_of(0, 0, 7) == (48, 60, 72)
    config.generation.update({"random_notes": 2, "note_range": [24, 35]})  # a list, as JSON has it
    generation = unpack(config).generation
    assert generation.note_range == (24, 35)
    assert all(24 <= note <= 35 for note in generation.notes_of(0, 0, 7))
    config.generation.random_notes = 13
    with pytest.raises(ValueError, match=r"random_notes=13 in note_range=\(24, 35\)"):
        unpack(config)


def test_an_unknown_variant_is_refused_with_the_near_name():
    with pytest.raises(ValueError, match=r"'dmeo' does not exist.*did you mean 'demo'"):
        base_config(3, "dmeo")


def test_a_value_that_cannot_be_is_refused():
    config = base_config(3)
    config.optimizer.learning_rate = -1.0
    with pytest.raises(ValueError, match="learning_rate=-1"):
        unpack(config)


@pytest.mark.parametrize("script", ["train", "generate"])
def test_a_typo_in_an_override_is_refused_with_the_near_name(script, tmp_path):
    flag = "--config.loss.modulation_wieght=0.5"
    command = [sys.executable, f"scripts/{script}.py", "--config", "configs/tier3.py:smoke", flag, "--out", tmp_path]
    result = subprocess.run(command[: 5 if script == "train" else 7], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert 'Did you mean "modulation_weight"' in result.stderr
    assert "Traceback" not in result.stderr
