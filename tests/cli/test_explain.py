"""Tests of `vjax explain`."""

import json
import shutil
from pathlib import Path

import pytest

from vjax.cli.explain import main

DATA = Path(__file__).parents[1] / "data"
PAD, BASS = DATA / "presets" / "Drifting_Pad_1108Redux.vital", DATA / "presets" / "FM_Bass1.vital"


def test_explain_prints_the_text(capsys):
    assert main([str(PAD)]) == 0
    printed, error = capsys.readouterr()
    assert printed == (DATA / "tutorials" / "Drifting_Pad_1108Redux.txt").read_text()
    assert error == ""


def test_explain_of_two_presets_prints_both(capsys):
    assert main([str(PAD), str(BASS), "--format", "markdown"]) == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    assert headings == [
        "# How to build 'Drifting Pad' by 1108 Redux in Vital",
        "# How to build 'FM Bass1' by B. MuXBeats in Vital",
    ]


def test_explain_as_json_prints_a_list_of_tutorials(capsys):
    assert main([str(BASS), "--format", "json"]) == 0
    (tutorial,) = json.loads(capsys.readouterr().out)
    assert tutorial["name"] == "FM Bass1"
    facts = {fact["control"]: fact for step in tutorial["steps"] for fact in step["facts"]}
    assert facts["osc_1_transpose"] == {
        **{"control": "osc_1_transpose", "label": "transpose", "native": 12.0, "text": "+12 semitones"}
    }


@pytest.mark.parametrize(
    ("name", "flags", "start"),
    [
        ("lesson.md", [], "# How"),
        ("lesson.JSON", [], "[\n {"),
        ("lesson.txt", [], "How to"),
        ("lesson", [], "How to"),
        ("lesson.md", ["--format", "text"], "How to"),
    ],
)
def test_explain_with_out_takes_the_format_from_its_ending(tmp_path, capsys, name: str, flags: list, start: str):
    assert main([str(BASS), "-o", str(tmp_path / "new" / name), *flags]) == 0
    assert (tmp_path / "new" / name).read_text().startswith(start)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("nothing.vital", 1, "{tmp}/nothing.vital: no such file or directory"),
        ("text.vital", 1, "{tmp}/text.vital: not JSON, so not a Vital preset ("),
        ("other.vital", 1, "{tmp}/other.vital: no `settings` object, so not a Vital preset"),
        ("", 2, "{tmp} is a folder; give .vital files, for example {tmp}/*.vital"),
    ],
)
def test_explain_of_something_else_fails_in_one_line(tmp_path, capsys, name: str, code: int, message: str):
    (tmp_path / "text.vital").write_text("hello")
    (tmp_path / "other.vital").write_text("[1]")
    assert main([str(tmp_path / name)]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert error.startswith(f"vjax explain: {message.format(tmp=tmp_path)}")
    assert len(error.splitlines()) == 1


def test_explain_of_several_files_reports_a_broken_one_and_explains_the_others(tmp_path, capsys):
    (tmp_path / "text.vital").write_text("hello")
    shutil.copy(BASS, tmp_path / "bäss '1'.vital")
    assert main([str(tmp_path / "text.vital"), str(tmp_path / "bäss '1'.vital")]) == 1
    printed, error = capsys.readouterr()
    assert printed.startswith("How to build 'FM Bass1'")
    assert error.startswith(f"vjax explain: {tmp_path}/text.vital: not JSON")
    assert main([str(tmp_path / "text.vital"), str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "vjax explain: no preset was explained; give .vital files"


def test_explain_with_out_as_a_folder_fails_before_the_work(tmp_path, capsys):
    assert main([str(BASS), "-o", str(tmp_path)]) == 2
    assert "is a folder; give the name of a file" in capsys.readouterr().err


def test_explain_prints_the_example_of_the_readme():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    example = text.partition("Drifting_Pad_1108Redux.vital`:\n\n```\n")[2].partition("```")[0]
    assert example.startswith("2. Oscillator 1\n")
    assert example in (DATA / "tutorials" / "Drifting_Pad_1108Redux.txt").read_text()
