"""Tests of files of JSON lines that one program writes while another reads."""

import json

import pytest

from vjax.io.json_lines import append_line, read_lines

ROWS = [{"name": "é", "x": 1}, {"name": "b", "x": [2, 3]}]
WHOLE = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
FIRST = WHOLE.index(b"\n") + 1


@pytest.mark.parametrize("cut", range(len(WHOLE) + 1))
def test_read_lines_of_a_file_cut_anywhere_returns_whole_rows_only(tmp_path, cut):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(WHOLE[:cut])
    n_whole = sum(cut >= end for end in (FIRST - 1, len(WHOLE) - 1))  # a row may lack the end of its line
    assert read_lines(path) == ROWS[:n_whole]
    assert path.read_bytes() == WHOLE[:cut]
    append_line(path, ROWS[1])
    assert read_lines(path) == [*ROWS[:n_whole], ROWS[1]]


def test_read_lines_without_a_file_returns_nothing(tmp_path):
    assert read_lines(tmp_path / "none.jsonl") == []
    assert not list(tmp_path.iterdir())


def test_read_lines_with_a_damaged_line_names_the_line(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(WHOLE[:FIRST] + b'{"na\n' + WHOLE[FIRST:])
    with pytest.raises(ValueError, match=r"rows\.jsonl: line 2 is not JSON .*delete the line"):
        read_lines(tmp_path / "rows.jsonl")


def test_append_line_with_nan_writes_nothing(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(WHOLE[: FIRST + 3])
    with pytest.raises(ValueError, match="JSON compliant"):
        append_line(path, {"x": float("nan")})
    assert path.read_bytes() == WHOLE[: FIRST + 3]


def test_append_line_on_a_full_disk_names_the_file_and_continues_later(tmp_path, file_size_limit):
    path = tmp_path / "rows.jsonl"
    append_line(path, ROWS[0])
    with file_size_limit(FIRST + 5), pytest.raises(OSError, match="File too large") as caught:
        append_line(path, ROWS[1])
    assert caught.value.filename == str(path)
    assert read_lines(path) == ROWS[:1]
    append_line(path, ROWS[1])
    assert read_lines(path) == ROWS
