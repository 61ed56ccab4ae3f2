"""Tests of folders of presets: authors, contents and digests."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from vjax.evaluation.preset_files import content_of, folder_digest, read_file
from vjax.evaluation.targets import preset_tasks
from vjax.io.find_files import find_presets
from vjax.vital import preset as vital_preset
from vjax.vital.preset import write_preset
from vjax.vital.preset_json import read_json

PEOPLE = Path(__file__).parents[1] / "data" / "presets"


def test_read_file_returns_authors_and_content(preset_folder, tmp_path):
    stolen = read_file(preset_folder / "cid" / "Stolen Bass.vital", preset_folder)
    bass = read_file(preset_folder / "ann" / "FM_Bass1.vital", preset_folder)
    assert (bass.author, bass.authors) == ("ann", {"ann", "b. muxbeats"})
    assert (stolen.author, stolen.relative) == ("cid", "cid/Stolen Bass")
    assert stolen.content == bass.content != read_file(preset_folder / "ann" / "Sine2Saw.vital", preset_folder).content
    assert stolen.content == content_of(read_json(PEOPLE / "FM_Bass1.vital"))
    assert read_file(PEOPLE / "Rhodesy.vital", PEOPLE).author == "Pyotr Growpotkin"
    write_preset(tmp_path / "a.vital", vital_preset.init().to_json() | {"author": ""})
    anonymous = read_file(tmp_path / "a.vital", tmp_path)
    assert (anonymous.author, anonymous.authors) == ("unknown", frozenset())
    before = folder_digest(find_presets(tmp_path), tmp_path)
    write_preset(tmp_path / "a.vital", vital_preset.init())
    assert folder_digest(find_presets(tmp_path), tmp_path) != before


def test_find_presets_in_an_empty_folder_raises(tmp_path):
    with pytest.raises(ValueError, match=r"contains no .vital file; give a folder of presets"):
        find_presets(tmp_path)


def test_preset_tasks_with_names_of_any_bytes_have_no_error(tmp_path):
    """Old archives contain such names."""
    path = tmp_path / os.fsdecode(b"caf\xe9.vital")
    write_preset(path, vital_preset.init().to_json() | {"preset_name": ""})
    file = read_file(path, tmp_path)
    assert (file.name, file.relative, file.preset().name) == ("caf\ufffd",) * 3
    assert len(folder_digest(find_presets(tmp_path), tmp_path)) == 64
    (task,) = preset_tasks(find_presets(tmp_path), tmp_path, 48)
    assert not task.error
    json.dumps(dataclasses.asdict(task.target), ensure_ascii=False).encode()
