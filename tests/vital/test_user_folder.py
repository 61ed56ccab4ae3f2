"""Tests of Vital's folder of user presets, on every platform."""

import pytest

from vjax.vital.user_folder import install, user_folder


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("darwin", "Music/Vital"),
        ("darwin", "Documents/Vital"),
        ("win32", "Documents/Vital"),
        ("linux", ".local/share/vital"),
    ],
)
def test_user_folder_of_a_platform_is_below_the_folder_that_exists(tmp_path, platform, place):
    with pytest.raises(FileNotFoundError, match="start Vital once"):
        user_folder("", tmp_path, platform, {})
    (tmp_path / place).mkdir(parents=True)
    assert user_folder("", tmp_path, platform, {}) == tmp_path / place / "User" / "Presets"


def test_user_folder_on_linux_follows_xdg_data_home(tmp_path):
    (tmp_path / "data" / "vital").mkdir(parents=True)
    folder = user_folder("", tmp_path, "linux", {"XDG_DATA_HOME": str(tmp_path / "data")})
    assert folder == tmp_path / "data" / "vital" / "User" / "Presets"


def test_user_folder_given_is_taken_as_it_is_unless_it_is_vitals(tmp_path):
    assert user_folder(tmp_path) == tmp_path
    (tmp_path / "User").mkdir()
    assert user_folder(tmp_path) == tmp_path / "User" / "Presets"
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        user_folder(tmp_path / "nowhere")


def test_install_keeps_an_existing_preset(tmp_path):
    source = tmp_path / "bass.vital"
    source.write_text("{}")
    folder = tmp_path / "User" / "Presets"
    assert [install(source, folder).name for _ in range(3)] == ["bass.vital", "bass 2.vital", "bass 3.vital"]
    assert all(path.read_text() == "{}" for path in folder.iterdir())
