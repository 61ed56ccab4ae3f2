"""Tests of the line that names a preset with values of another version of Vital."""

import copy

import pytest

from vjax.audio.mel import MelConfig
from vjax.candidates.bank import folder_bank
from vjax.data.preset_bank import load_bank
from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.evaluation.preset_files import read_file
from vjax.vital.preset import Preset, write_preset
from vjax.vital.report_changes import report_changes


@pytest.fixture
def vital_json() -> dict:
    return copy.deepcopy(synth.init_preset())


def test_report_changes_prints_one_line_once(vital_json, capsys):
    vital_json["settings"] |= {"distortion_type": 9.0, "filter_1_model": 99.0}
    preset = Preset.from_json(vital_json)
    for _ in range(2):
        assert report_changes(preset, "later.vital") is preset
    assert report_changes(Preset.from_json(synth.init_preset()), "now.vital").changes == ()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: later.vital contains values that {synth.VERSION} does not have, so it is changed: ")
    assert line.endswith("clipped to [0, 5] and 1 more")


def bank_of(folder):
    with RenderPool(RenderConfig(seconds=0.2, note_s=0.1), workers=1) as pool:
        return folder_bank(folder, 48, pool, MelConfig())


@pytest.mark.parametrize(
    "read",
    [load_bank, bank_of, lambda folder: read_file(folder / "later.vital", folder).preset()],
    ids=["generate", "bank", "evaluate"],
)
def test_reading_a_preset_of_a_later_version_says_that_it_is_changed(vital_json, tmp_path, capsys, read):
    vital_json["settings"]["distortion_type"] = 9.0
    write_preset(tmp_path / "later.vital", vital_json)
    read(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "is changed" in line]
    assert len(lines) == 1
    assert "later.vital contains values" in lines[0]
    assert lines[0].endswith("distortion_type 9.0 clipped to [0, 5]")
