"""Tests of benchmarks/card.py: the list of presets, its check, copies from repositories, and the commands."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # as for a script that runs there
card = importlib.import_module("card")

SHIPPED = {
    "BMuXBeats/FM_Bass1.vital",
    "BMuXBeats/Sine2Saw.vital",
    "TheSmallTeaBoi/Chippy_Klassic.vital",
    "TheSmallTeaBoi/Drifting_Pad_1108Redux.vital",
    "christ-offer/Rhodesy.vital",
}


@pytest.fixture
def manifest():
    """The part of the manifest whose presets the tests have."""
    return {name: digest for name, digest in card.read_manifest().items() if name in SHIPPED}


@pytest.fixture
def clones(tmp_path):
    """Repositories with other names than the manifest's, and with a preset that it lacks."""
    folder = tmp_path / "clones"
    for i, name in enumerate(SHIPPED):
        (folder / f"repository {i}" / "Presets").mkdir(parents=True)
        shutil.copy(card.SHIPPED / Path(name).name, folder / f"repository {i}" / "Presets" / f"Preset {i}.vital")
    (folder / "repository 0" / "other.vital").write_text("another preset")
    return folder


def test_read_manifest_lists_each_preset_of_the_card_once():
    manifest = card.read_manifest()
    counts = {author: sum(name.startswith(f"{author}/") for name in manifest) for author in card.HELD_OUT}
    assert counts == {"BMuXBeats": 29, "TheSmallTeaBoi": 8, "christ-offer": 3}
    assert sum(name.startswith(f"{card.TRAINED_ON}/") for name in manifest) == 75
    assert len(set(manifest.values())) == len(manifest) == 115
    for name in SHIPPED:
        assert card.digest_of(card.SHIPPED / Path(name).name) == manifest[name]


def test_collect_copies_presets_by_their_digests(clones, manifest, tmp_path):
    assert card.collect(clones, tmp_path / "presets", manifest) == len(SHIPPED)
    found = {path.relative_to(tmp_path / "presets").as_posix() for path in (tmp_path / "presets").rglob("*.vital")}
    assert found == SHIPPED
    assert card.problems(tmp_path / "presets", manifest) == []


def test_problems_names_presets_that_are_missing_changed_or_not_listed(clones, manifest, tmp_path):
    presets = tmp_path / "presets"
    card.collect(clones, presets, manifest)
    (presets / "BMuXBeats" / "FM_Bass1.vital").unlink()
    (presets / "christ-offer" / "Rhodesy.vital").write_text("{}")
    (presets / "instatetragrammaton").mkdir()
    (presets / "instatetragrammaton" / "New.vital").write_text("{}")
    assert card.problems(presets, manifest) == [
        "BMuXBeats/FM_Bass1.vital (missing)",
        "christ-offer/Rhodesy.vital (another version)",
        "instatetragrammaton/New.vital (not in the list; remove it)",
    ]


def test_main_with_missing_presets_stops_before_the_work(clones, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["card.py", "--presets", str(tmp_path / "presets"), "--collect", str(clones)])
    assert card.main() == 1
    printed, error = capsys.readouterr()
    assert "presets copied: 5" in printed
    assert "lacks 110 of 115 presets of card_presets.csv" in error
    assert "and 105 more; docs/reproduce.md explains how to get them" in error


def test_main_without_presets_evaluates_those_of_the_tests_and_says_so(tmp_path, monkeypatch, capsys):
    evaluated = []
    monkeypatch.setattr(card, "evaluate", lambda each: evaluated.extend(each) or 0)
    monkeypatch.setattr(sys, "argv", ["card.py", "--presets", str(tmp_path / "none"), "--out", str(tmp_path)])
    assert card.main() == 0
    line, end = capsys.readouterr().out.split("\n")
    assert [arguments[arguments.index("--out") + 1].rpartition("/")[2] for arguments in evaluated] == [
        "all",
        "shipped-sounds",
        "refined",
    ]
    assert end == ""
    assert "so these are the scores of the five presets in tests/data/presets" in line
    assert all(str(card.SHIPPED) in arguments for arguments in evaluated)


def test_main_without_the_folder_of_sounds_says_which_are_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(card, "evaluate", lambda each: 0)
    command = ["card.py", "--presets", str(tmp_path / "none"), "--sounds", str(tmp_path / "no sounds")]
    monkeypatch.setattr(sys, "argv", command)
    assert card.main() == 0
    assert "no sounds, so the recordings are the two sounds in tests/data/sounds" in capsys.readouterr().out


def test_commands_of_other_presets_or_limits_have_other_folders():
    folders = [
        arguments[arguments.index("--out") + 1]
        for shipped in (False, True)
        for limit in (0, 2)
        for arguments in card.commands(Path("presets"), Path("runs/card"), limit, shipped, Path("sounds"))
    ]
    assert folders[:3] == ["runs/card/all", "runs/card/recordings", "runs/card/refined"]
    assert len(set(folders)) == len(folders) == 12
    full, trial = (card.commands(Path("p"), Path("o"), limit, False, Path("s"))[2] for limit in (0, 2))
    assert [arguments[arguments.index("--limit") + 1] for arguments in (full, trial)] == ["10", "2"]


def test_evaluate_into_a_folder_of_other_settings_names_the_remedy(tmp_path, capsys):
    (tmp_path / "settings.json").write_text('{"source": "audio"}')
    command = ["--presets", str(card.SHIPPED), "--out", str(tmp_path), "--limit", "1"]
    assert card.evaluate([command]) == 1
    error = capsys.readouterr().err
    assert 'contains an evaluation with source="audio", now it is "presets"' in error
    assert f"If {tmp_path} contains one with other settings" in error
    assert "make card CARD=FOLDER" in error
