"""Tests of vjax.inference.refine_many; whole runs are in tests/cli/test_refine.py."""

import os

import pytest
from vjax.inference.refine_many import RefineManyConfig, short_name


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("recordings/drums/kick.wav", "recordings", os.path.join("drums", "kick.wav")),
        ("./recordings/kick.wav", "recordings/", "kick.wav"),
        ("recordings/kick.wav", "recordings/kick.wav", "kick.wav"),
        ("row 3", None, "row 3"),
        ("recordings/a-long-session-in-the-studio/take-17.wav", "recordings", "a-long-se...studio/take-17.wav"),
        (os.fsdecode(b"recordings/caf\xe9.wav"), "recordings", "caf\ufffd.wav"),
    ],
)
def test_short_name_is_the_path_within_the_folder(name, folder, expected):
    assert short_name(name, folder, 30) == expected


def test_refine_many_config_by_default_takes_all_sounds():
    assert RefineManyConfig().limit == 0
