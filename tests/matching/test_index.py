"""Tests of the index of a folder of matches."""

import csv
import dataclasses
import math

import pytest

from vjax.audio.metric_names import METRICS
from vjax.audio.pitch import Pitch
from vjax.matching.index import COLUMNS, append_row, index_row, read_index, start_index


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_index_row_has_every_column(result):
    row = index_row(result, "out/a.vital")
    assert tuple(row) == COLUMNS
    assert (row["name"], row["preset"], row["note"], row["label"]) == ("sounds/a.wav", "out/a.vital", 57, "near")
    assert (row["pitch_hz"], row["pitch_confidence"], row["pitch_error_cents"]) == (220.0, 0.988, -2.0)
    assert (row["mss"], row["evals"], row["seconds"]) == (12.3457, 7, 1.23)
    assert row["warnings"] == "it is loud"


def test_index_row_without_numbers_leaves_them_empty(result):
    silent = dataclasses.replace(
        result, pitch=Pitch(math.nan, math.nan, 0.0), metrics=dict.fromkeys(METRICS, math.nan), re_render_db=math.nan
    )
    row = index_row(silent, "a.vital")
    assert (row["pitch_hz"], row["pitch_confidence"], row["mss"], row["re_render_mss"]) == ("", 0.0, "", "")


def test_start_index_keeps_rows_of_other_sounds_with_any_text(tmp_path):
    path = tmp_path / "index.csv"
    start_index(path, [])
    assert rows_of(path) == []
    append_row(path, {"name": "Ünï, “cödé”.wav", "error": 'a "bad"\nfile', "note": 60})
    append_row(path, {"name": "b.wav", "mss": 1.5})
    start_index(path, ["c.wav"])
    first, second = read_index(path)
    assert (first["name"], first["error"], first["note"], first["mss"]) == (
        "Ünï, “cödé”.wav",
        'a "bad"\nfile',
        "60",
        "",
    )
    assert second["mss"] == "1.5"
    assert tuple(first) == COLUMNS


def test_start_index_removes_rows_of_the_named_sounds(tmp_path):
    path = tmp_path / "index.csv"
    start_index(path, [])
    for name in "abc":
        append_row(path, {"name": name, "note": 1})
    start_index(path, {"a", "c"})
    append_row(path, {"name": "c", "note": 2})
    assert [(row["name"], row["note"]) for row in rows_of(path)] == [("b", "1"), ("c", "2")]
    assert [file.name for file in tmp_path.iterdir()] == ["index.csv"]


@pytest.mark.parametrize("content", ["my,own,table\n1,2,3\n", "name,preset,own\na,b,c\n", "mss,note\n1,2\n", ""])
def test_start_index_over_another_table_raises(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"index\.csv has other columns than an index"):
        start_index(path, [])
    assert path.read_text() == content


def test_start_index_over_an_older_index_keeps_its_rows(tmp_path):
    path = tmp_path / "index.csv"
    older = (
        "name", "preset", "note", "pitch_hz", "label", "candidates", "mss", "wmfcc", "re_render_mss", "error",
    )  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, older)
        writer.writeheader()
        writer.writerow(dict.fromkeys(older, "1"))
    start_index(path, [])
    append_row(path, {"name": "b.wav", "kind": "patch"})
    assert [(row["mss"], row["kind"], row["closest"]) for row in read_index(path)] == [("1", "", ""), ("", "patch", "")]


def test_append_row_on_a_full_disk_leaves_no_part_of_the_row(tmp_path, file_size_limit):
    path = tmp_path / "index.csv"
    start_index(path, ())
    append_row(path, {"name": "a"})
    before = path.read_bytes()
    with file_size_limit(len(before) + 10), pytest.raises(OSError, match="File too large") as caught:
        append_row(path, {"name": "b" * 50})
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
