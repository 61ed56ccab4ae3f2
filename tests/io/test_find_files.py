"""The finder of presets, sounds and shards, in folders as people have them."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vjax.io.find_files import PRESETS, SHARDS, SOUNDS, TABLES, find_files, find_presets


def made(folder: Path, *names: str) -> list[Path]:
    """Empty files."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_find_files_searches_folders_and_accepts_files(tmp_path):
    b, c, a, table, _ = made(tmp_path, "b.vital", "c.vital", "deep/er/a.vital", "a.vitaltable", "a.vital.partial")
    assert find_files([tmp_path], PRESETS) == [b, c, a]
    assert find_files([c, tmp_path / "deep", table], PRESETS) == [c, a]
    assert find_files([tmp_path], TABLES) == [table]
    assert find_files([tmp_path], PRESETS, deep=False) == [b, c]
    with pytest.raises(ValueError, match=r"there is nothing at .*nowhere; give a folder or a \*\.vital file"):
        find_files([tmp_path / "nowhere"], PRESETS)


def test_find_presets_in_a_folder_without_presets_raises(tmp_path, capsys):
    made(tmp_path, "x.vitalbank")
    with pytest.raises(ValueError, match=r"contains no \.vital file"):
        find_presets(tmp_path)
    assert capsys.readouterr().err == (
        f"{tmp_path}: passed over 1 that vjax cannot read (.vitalbank, a ZIP file: unzip it first): x.vitalbank\n"
    )


def test_find_files_takes_endings_in_capitals(tmp_path):
    assert find_files([tmp_path], PRESETS) == []
    files = made(tmp_path, "A.VITAL", "b.Vital")
    assert find_files([tmp_path], PRESETS) == files
    assert find_files(files, PRESETS) == files


def test_find_files_follows_links_to_folders_and_returns_each_file_once(tmp_path):
    (far,) = made(tmp_path / "far", "x.vital")
    (near,) = made(tmp_path / "here" / "z", "y.vital")
    for name, target in (("far", far.parent), ("loop", tmp_path / "here"), ("a", near.parent), ("self", "self")):
        (tmp_path / "here" / name).symlink_to(target)
    assert find_files([tmp_path / "here"], PRESETS) == [tmp_path / "here" / "far" / "x.vital", near]


def test_find_files_passes_over_hidden_files_and_names_them_once(tmp_path, capsys):
    (kept, *_) = made(tmp_path, "x.vital", "._x.vital", ".trash/y.vital", "notes.txt", "z.vitalbank")
    (tmp_path / "gone.vital").symlink_to("nothing")
    for _ in range(2):
        assert find_files([tmp_path], PRESETS) == [kept]
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for part in (
        "2 hidden: ._x.vital, y.vital",
        "1 that are not files: gone.vital",
        "(.vitalbank, a ZIP file: unzip it first): z.vitalbank",
    ):
        assert part in line


def test_find_files_with_a_hidden_file_that_was_named_takes_it(tmp_path):
    hidden = made(tmp_path / ".cache", ".x.vital")
    assert find_files(hidden, PRESETS) == hidden
    assert find_files([tmp_path / ".cache" / ".." / ".cache"], PRESETS) == []


def test_find_files_in_a_subfolder_that_cannot_be_read_names_it(tmp_path, monkeypatch, capsys):
    (kept, _) = made(tmp_path, "x.vital", "closed/y.vital")
    real = os.scandir

    def scandir(folder):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert find_files([tmp_path], PRESETS) == [kept]
    assert "1 folders that cannot be read: closed" in capsys.readouterr().err


def test_find_files_of_a_latin_1_name_returns_it(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.vital"
    Path(os.fsdecode(path)).touch()
    assert find_files([tmp_path], PRESETS) == [Path(os.fsdecode(path))]


WRITABLE = {
    "wave": "WAV", "bwf": "WAV", "aif": "AIFF", "aifc": "AIFF", "oga": "OGG", "opus": "OGG", "snd": "AU",
}  # fmt: skip


@pytest.mark.parametrize("ending", SOUNDS.endings)
def test_find_files_takes_sounds_of_all_formats_that_are_read(ending, tmp_path):
    path, form = tmp_path / f"x{ending}", WRITABLE.get(ending[1:], ending[1:].upper())
    subtype = "OPUS" if ending == ".opus" else None
    sound = 0.5 * np.sin(np.arange(48000) / 20)
    soundfile.write(path, sound, 48000, format=form, subtype=subtype)
    assert find_files([tmp_path], SOUNDS) == [path]
    read, _ = soundfile.read(path)
    np.testing.assert_allclose(read[1000:40000], sound[1000:40000], atol=0.1)


def test_find_files_of_shards_passes_over_those_of_macos(tmp_path):
    (shard, _) = made(tmp_path, "shard-00000.h5", "._shard-00000.h5")
    assert find_files([tmp_path], SHARDS) == [shard]
