import argparse

import pytest

from vjax.cli.command import at_least
from vjax.cli.old_names import add_old_name


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser("vjax x")
    parser.add_argument("--per-sound", type=at_least(1), default=4)
    add_old_name(parser, "--each", "--per-sound", type=at_least(1))
    parser.add_argument("--speed", choices=("fast", "faster"))
    add_old_name(parser, "--how", "--speed", choices=("fast", "faster"))
    return parser


def test_add_old_name_sets_the_new_flag_and_prints_a_notice(parser, capsys):
    assert parser.parse_args(["--each", "7"]).per_sound == 7
    assert capsys.readouterr().err == "vjax x: --each is now --per-sound\n"


def test_add_old_name_without_the_old_flag_changes_nothing(parser, capsys):
    assert parser.parse_args([]).per_sound == 4
    assert parser.parse_args(["--per-sound", "2"]).per_sound == 2
    assert capsys.readouterr().err == ""
    assert "--each" not in parser.format_help()


def test_add_old_name_checks_values_as_the_new_flag_does(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--each", "0"])
    assert "argument --per-sound: expected 1 or more, got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser.parse_args(["--how", "slow"])
    assert "argument --speed: invalid choice: 'slow' (choose from fast, faster)" in capsys.readouterr().err
    assert parser.parse_args(["--how", "faster"]).speed == "faster"
