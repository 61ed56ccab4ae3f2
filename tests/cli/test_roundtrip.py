"""`vjax roundtrip`."""

import json
import shutil
from pathlib import Path

import pytest

from vjax.cli.main import main
from vjax.vital.default_vocabulary import default_vocabulary, write_vocabulary
from vjax.vital.vocabulary import Vocabulary

PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture
def presets(tmp_path):
    """A folder with a preset in a subfolder, and with a file that is not a preset."""
    (tmp_path / "presets" / "keys").mkdir(parents=True)
    shutil.copy(PRESETS / "Rhodesy.vital", tmp_path / "presets" / "keys")
    (tmp_path / "presets" / "zero.vital").write_text("")
    return tmp_path / "presets"


def test_roundtrip_prints_a_table_and_a_summary_and_writes_json(presets, tmp_path, capsys):
    out = tmp_path / "new" / "out.json"
    assert main(["roundtrip", str(presets), "--json", str(out), "--workers", "2", "--note", "60"]) == 0
    printed, warned = capsys.readouterr()
    assert warned == ""
    lines = printed.splitlines()
    assert lines[0].split()[:4] == ["preset", "floor_db", "exact_db", "vocab_db"]
    assert lines[1].startswith("Rhodesy ")
    assert lines[2].startswith("zero ")
    assert "not JSON" in lines[2]
    assert "presets: 2, exact to the bit: 1, without a distance: 1" in lines
    assert f"written to     {out}" in printed
    content = json.loads(out.read_text())
    shipped = default_vocabulary()
    sizes = {"tables": len(shipped.wavetables), "shapes": len(shipped.lfo_shapes)}
    assert content["settings"] == {"note": 60, **sizes}
    assert content["summary"]["presets"] == 2
    trip = content["presets"][str(presets / "keys" / "Rhodesy.vital")]
    assert (trip["exact_db"], trip["exact_bits"]) == (0, True)
    assert trip["floor_db"] > 0
    assert trip["vocabulary_db"] > 0
    assert trip["reasons"]
    assert [float(number) for number in lines[1].split()[1:4]] == [
        round(trip[field], 2) for field in ("floor_db", "exact_db", "vocabulary_db")
    ]


def test_roundtrip_with_a_catalog_and_a_limit_uses_both(presets, engine_vocabulary, tmp_path, capsys):
    small = Vocabulary(engine_vocabulary.wavetables.chosen([0]), engine_vocabulary.lfo_shapes.first(1))
    write_vocabulary(tmp_path / "small.json.gz", small)
    command = ["roundtrip", str(presets), "--catalog", str(tmp_path / "small.json.gz"), "--limit", "1"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "wavetable 'The Sine' became 'Init'" in printed
    assert "presets: 1," in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/empty"], "no .vital file in {tmp}/empty"),
        (["{tmp}/nowhere"], "there is nothing at {tmp}/nowhere; give a folder or a *.vital file"),
        (["{tmp}/presets", "--catalog", "{tmp}/presets/zero.vital"], "{tmp}/presets/zero.vital is not a catalog of "),
        (["{tmp}/presets", "--catalog", "{tmp}/nothing.json"], "{tmp}/nothing.json: no such file or directory"),
    ],
)
def test_roundtrip_with_invalid_paths_fails_in_one_line(presets, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    assert main(["roundtrip", *(text.format(tmp=tmp_path) for text in arguments)]) == 1
    printed, error = capsys.readouterr()
    assert printed == ""
    assert error.startswith(f"vjax roundtrip: {message.format(tmp=tmp_path)}")
    assert len(error.splitlines()) == 1


def test_roundtrip_with_a_note_out_of_range_is_wrong_usage(presets, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["roundtrip", str(presets), "--note", "200"])
    assert "'200' is MIDI note 200; notes go from 0" in capsys.readouterr().err


def test_roundtrip_without_any_distance_returns_1(tmp_path, capsys):
    (tmp_path / "zero.vital").write_text("")
    assert main(["roundtrip", str(tmp_path)]) == 1
    assert "without a distance: 1" in capsys.readouterr().out


def test_roundtrip_with_json_to_a_folder_fails_before_the_work(presets, capsys):
    assert main(["roundtrip", str(presets), "--json", str(presets)]) == 2
    assert "is a folder; give the name of a file" in capsys.readouterr().err
