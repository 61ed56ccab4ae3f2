"""Files of a match, and the table of many."""

import csv
import dataclasses
import math

import numpy as np
import pytest
import soundfile
from PIL import Image
from vjax.inference.match import Match
from vjax.inference.outputs import COLUMNS, append_row, index_row, start_table, write_match

from vjax.audio.pitch import Pitch
from vjax.inference.predict import Answer
from vjax.vital import preset as vital_preset
from vjax.vital.preset import read_preset


@pytest.fixture
def match(tone):
    """A match of 0.1 s, put together by hand."""
    return Match(
        name="sounds/a.wav",
        answer=Answer("sounds/a.wav", None, ()),
        preset=dataclasses.replace(vital_preset.init(), name="a"),
        note=57,
        note_s=0.1,
        pitch=Pitch(220.004, 57.0003, 0.98765),
        tuned_semitones=-7.0004,
        target=tone(220, 0.1),
        audio=np.repeat(2 * tone(220, 0.1), 2, axis=0),  # louder than full scale
        mss_db=12.34567,
    )


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_match_leaves_a_preset_its_sound_and_a_picture(match, tmp_path):
    path = tmp_path / "new" / "folder" / "a.b.vital"
    files = write_match(match, path, 44100)
    assert files == [path, *(path.with_name(f"a.b-vjax.{kind}") for kind in ("wav", "png"))]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert read_preset(path).to_json() == match.preset.to_json()
    audio, rate = soundfile.read(files[1], dtype="float32")
    assert rate == 44100
    np.testing.assert_array_equal(audio.T, match.audio)
    with Image.open(files[2]) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")


def test_the_target_is_written_where_no_file_of_it_exists(match, tmp_path):
    *_, target = write_match(match, tmp_path / "a.vital", 48000, with_target=True)
    audio, rate = soundfile.read(target, dtype="float32", always_2d=True)
    assert (target.name, rate) == ("a-target.wav", 48000)
    np.testing.assert_array_equal(audio.T, match.target)


def test_a_match_is_a_row(match):
    assert index_row(match, "out/a.vital") == {
        "name": "sounds/a.wav",
        "preset": "out/a.vital",
        "note": 57,
        "pitch_hz": 220.0,
        "pitch_confidence": 0.988,
        "tuned_semitones": -7.0,
        "mss_db": 12.346,
        "summary": "0 routes",
        "error": "",
    }
    assert tuple(index_row(match, "")) == COLUMNS


def test_what_is_not_known_stays_empty(match, tmp_path):
    silent = dataclasses.replace(match, pitch=Pitch(math.nan, math.nan, 0.0), mss_db=math.nan)
    row = index_row(silent, "a.vital")
    assert (row["pitch_hz"], row["pitch_confidence"], row["mss_db"]) == ("", 0.0, "")
    given = index_row(dataclasses.replace(match, pitch=None), "a.vital")
    assert (given["pitch_hz"], given["pitch_confidence"]) == ("", "")
    write_match(silent, tmp_path / "a.vital", 44100)


def test_the_table_takes_any_text_and_keeps_what_it_has(tmp_path):
    path = tmp_path / "index.csv"
    start_table(path, [])
    assert rows_of(path) == []
    append_row(path, {"name": "Ünï, “cödé”.wav", "error": 'a "bad"\nfile', "note": 60})
    append_row(path, {"name": "b.wav", "mss_db": 1.5})
    start_table(path, ["c.wav"])
    first, second = rows_of(path)
    assert (first["name"], first["error"], first["note"], first["mss_db"]) == (
        "Ünï, “cödé”.wav",
        'a "bad"\nfile',
        "60",
        "",
    )
    assert second["mss_db"] == "1.5"
    assert tuple(first) == COLUMNS


def test_rows_that_are_made_again_are_taken_out(tmp_path):
    path = tmp_path / "index.csv"
    start_table(path, [])
    for name in "abc":
        append_row(path, {"name": name, "note": 1})
    start_table(path, {"a", "c"})
    append_row(path, {"name": "c", "note": 2})
    assert [(row["name"], row["note"]) for row in rows_of(path)] == [("b", "1"), ("c", "2")]
    assert [file.name for file in tmp_path.iterdir()] == ["index.csv"]


@pytest.mark.parametrize("content", ["my,own,table\n1,2,3\n", ""])
def test_another_table_is_not_touched(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"index\.csv is another table than vjax writes there; move it"):
        start_table(path, [])
    assert path.read_text() == content
