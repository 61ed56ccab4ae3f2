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
