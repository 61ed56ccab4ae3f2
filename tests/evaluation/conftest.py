"""A folder of people's presets, as evaluations read them."""

import json
import shutil
from pathlib import Path

import pytest

PEOPLE = Path(__file__).parents[1] / "data" / "presets"
AUTHORS = {"ann": ("FM_Bass1", "Sine2Saw"), "bob": ("Rhodesy", "Chippy_Klassic"), "cid": ("Drifting_Pad_1108Redux",)}


@pytest.fixture(scope="session")
def preset_folder(tmp_path_factory):
    """Five presets by author. Of cid's files, one equals ann's FM_Bass1, one is silent, and one is not a preset."""
    from vjax.vital import preset as vital_preset
    from vjax.vital.preset import write_preset
    from vjax.vital.preset_json import read_json

    folder = tmp_path_factory.mktemp("presets")
    for author, names in AUTHORS.items():
        (folder / author).mkdir()
        for name in names:
            shutil.copy(PEOPLE / f"{name}.vital", folder / author)
    (folder / "cid" / "Stolen Bass.vital").write_text(
        json.dumps(read_json(PEOPLE / "FM_Bass1.vital") | {"author": "Cid", "preset_name": "copy"})
    )
    silent = vital_preset.init().to_json()
    silent["settings"]["osc_1_on"] = 0.0
    write_preset(folder / "cid" / "silent.vital", silent)
    (folder / "cid" / "zero.vital").write_text("not a preset")
    return folder
