import os
import pwd

import pytest

from vjax.io.cache_folder import cache_folder


def test_cache_folder_follows_the_users_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("banks") == tmp_path / "vjax" / "banks"
    assert (tmp_path / "vjax" / "banks").is_dir()


def test_cache_folder_of_a_user_without_a_home_is_none(monkeypatch):
    def no_entry(uid: int):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    assert cache_folder("banks") is None


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nothing"])
def test_cache_folder_that_cannot_be_made_is_none(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert cache_folder("banks") is None


def test_cache_folder_that_cannot_be_written_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert cache_folder("banks") is None
