"""`vjax config`: every setting with its value, type and meaning."""

import dataclasses

import pytest

from vjax.cli.config import meanings, settings
from vjax.cli.main import main
from vjax.cli.recipe import TIERS
from vjax.training.config import base_config, unpack


@pytest.mark.parametrize("recipe", TIERS)
def test_config_prints_each_setting_in_one_line(recipe, capsys):
    assert main(["config", recipe]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one.key for one in settings(unpack(base_config(TIERS[recipe])))]
    (line,) = [line for line in lines if line.startswith("train.batch_size ")]
    assert line.split(None, 3) == ["train.batch_size", "64", "int", "number of rows of a batch, over all devices."]


def test_config_of_an_unknown_recipe_names_no_flag_that_was_not_typed(capsys):
    assert main(["config", "foo"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vjax config: RECIPE foo: there is no recipe or file 'foo'; choose tier1")
    assert "--config" not in error


def test_config_with_overrides_prints_their_values(capsys):
    overrides = ["--config.train.batch_size=128", "--config.generation.notes=40,41", "--config.data.path=a b"]
    assert main(["config", "tier3:demo", *overrides]) == 0
    found = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " 128 " in found["train.batch_size"]
    assert " 40,41 " in found["generation.notes"]
    assert " a b " in found["data.path"]
    assert " 1500 " in found["data.n"]


def test_config_with_an_invalid_value_is_wrong_usage(capsys):
    assert main(["config", "tier3", "--config.data.val_fraction=1.5"]) == 2
    assert "data.val_fraction=1.5; it must lie between 0 and 1" in capsys.readouterr().err
    assert main(["config", "tier9"]) == 2
    assert "no recipe or file 'tier9'" in capsys.readouterr().err


def test_settings_of_every_section_have_a_meaning():
    assert [one.key for one in settings(unpack(base_config(3))) if not one.meaning] == []


def test_meanings_joins_lines_and_shares_them_among_names():
    @dataclasses.dataclass
    class Section:
        """What it is.

        Attributes:
          first: one line,
            and another.
          second, third: both.

        More.
        """

    assert meanings(Section) == {"first": "one line, and another.", "second": "both.", "third": "both."}
