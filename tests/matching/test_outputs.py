"""Tests of the files of a match, of overwriting, and of the index of many matches."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from vjax.audio.metric_names import METRICS
from vjax.matching.index import index_row
from vjax.matching.outputs import check_writable, result_json, write_result
from vjax.matching.result import FoundPreset
from vjax.search.candidate import Kind
from vjax.vital.preset import read_preset, write_preset
from vjax.vital.preset_json import read_json


def test_write_result_writes_preset_render_and_image(result, tmp_path):
    path = tmp_path / "new" / "folder" / "a.b.vital"
    files = write_result(result, path)
    assert files == [path, *(path.with_name(f"a.b-vjax.{kind}") for kind in ("wav", "png"))]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert read_preset(path).to_json() == result.preset.to_json()
    audio, rate = soundfile.read(files[1], dtype="float32")
    assert rate == 44100
    np.testing.assert_array_equal(audio.T, result.audio)
    with Image.open(files[2]) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")


def test_write_result_with_target_writes_the_sound_as_well(result, tmp_path):
    *_, target = write_result(result, tmp_path / "a.vital", with_target=True)
    audio, _ = soundfile.read(target, dtype="float32", always_2d=True)
    assert target.name == "a-target.wav"
    np.testing.assert_array_equal(audio.T, result.target)


def test_write_result_of_a_search_writes_its_trace(result, tmp_path):
    files = write_result(dataclasses.replace(result, trace=((4, 2.0), (13, 1.25))), tmp_path / "a.vital")
    assert [file.name for file in files[3:]] == ["a-trace.png", "a-trace.json"]
    assert json.loads(files[4].read_text())["search"] == {"evals": 7, "trace": [[4, 2.0], [13, 1.25]]}


def test_write_result_of_a_search_without_a_step_writes_no_image(result, tmp_path):
    """The ranking of the candidates took all renders."""
    write_result(dataclasses.replace(result, trace=((4, 2.0), (13, 1.25))), tmp_path / "a.vital")
    files = write_result(dataclasses.replace(result, trace=((4, 2.0),)), tmp_path / "a.vital")
    assert [file.name for file in files[3:]] == ["a-trace.json"]
    assert not (tmp_path / "a-trace.png").exists()


def test_write_result_killed_before_the_preset_leaves_the_other_files(result, tmp_path):
    """A sound whose preset exists is in the index, even if the run was killed."""

    def killed() -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.vital"
    with pytest.raises(KeyboardInterrupt):
        write_result(result, path, before_preset=killed)
    assert not path.exists()
    assert {"a-vjax.wav", "a-vjax.png"} <= {file.name for file in tmp_path.iterdir()}
    write_result(result, path)
    assert path.exists()


@pytest.mark.parametrize("first", [True, False])
def test_write_result_on_a_full_disk_leaves_no_part_of_a_file(result, tmp_path, file_size_limit, first):
    """The first file does not fit, or only the largest does not. The same call succeeds when there is room."""
    path = tmp_path / "a.vital"
    largest = max(file.stat().st_size for file in write_result(result, tmp_path / "whole" / "a.vital"))
    n_bytes = 1000 if first else largest - 1
    with file_size_limit(n_bytes), pytest.raises(OSError, match="File too large") as caught:
        write_result(result, path)
    assert caught.value.filename.startswith(str(tmp_path / "a"))
    assert not any(file.suffix in (".partial", ".new", ".vital") for file in tmp_path.iterdir())
    write_result(result, path)
    assert path.exists()


def test_write_result_over_an_unchanged_preset_replaces_it(result, tmp_path):
    path = tmp_path / "a.vital"
    write_result(result, path)
    other = dataclasses.replace(result, preset=dataclasses.replace(result.preset, name="another"))
    write_result(other, path)
    assert read_preset(path).name == "another"


def test_write_result_over_a_changed_preset_raises_unless_overwrite(result, tmp_path):
    """Someone has changed a knob in Vital and saved the preset."""
    path = tmp_path / "a.vital"
    write_result(result, path)
    changed = read_json(path)
    changed["settings"]["volume"] = 100.0
    write_preset(path, changed)
    with pytest.raises(ValueError, match=r"a\.vital exists, and it is not as an earlier match wrote it"):
        write_result(result, path)
    assert read_json(path) == changed
    write_result(result, path, overwrite=True)
    assert read_json(path) == result.preset.to_json()


def test_check_writable_with_an_unusable_path_raises(result, tmp_path):
    (tmp_path / "folder.vital").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "other.vital").write_text("{}")
    for path, error, message in (
        ("a.wav", ValueError, "a.wav is not the name of a preset; give X.vital"),
        ("folder.vital", ValueError, "folder.vital is a folder; give X.vital"),
        ("other.vital", ValueError, "other.vital exists, and it is not as an earlier match wrote it"),
        ("file/a.vital", NotADirectoryError, "file is a file; .*a.vital cannot be written below it"),
    ):
        with pytest.raises(error, match=message):
            check_writable(tmp_path / path)
    check_writable(tmp_path / "deep" / "er" / "a.vital")
    assert not (tmp_path / "deep").exists()


def test_check_writable_in_a_read_only_folder_raises():
    with pytest.raises(PermissionError, match=r"/proc cannot be written \(.+\); give another path by --out"):
        check_writable("/proc/a.vital")


def test_check_writable_with_a_long_name_raises(tmp_path):
    with pytest.raises(ValueError, match="would have 275 bytes, at most 255 are possible; make the name 20 bytes"):
        check_writable(tmp_path / f"{'a' * 247}.vital")


def test_result_json_equals_the_written_preset(result, tmp_path):
    path, *_ = write_result(result, tmp_path / "a.vital")
    content = json.loads(json.dumps(result_json(result), allow_nan=False))
    raw = read_json(path)
    assert content["preset"]["name"] == raw["preset_name"]
    assert content["preset"]["style"] == raw["preset_style"]
    assert content["preset"]["comments"] == raw["comments"]
    assert (content["note"], content["note_name"], content["note_given"]) == (57, "A3", False)
    assert [one["label"] for one in content["candidates"]] == ["near", "prediction"]
    assert content["candidates"][1]["error"] == "silent at note 57"
    assert content["references"] == {"re_render_mss_db": 0.25}
    assert content["prediction"]["error"] == "silent at note 57"


def with_closest(result, name="a (closest)"):
    preset = dataclasses.replace(result.preset, name=name)
    metrics = dict.fromkeys(METRICS, 0.5)
    closest = FoundPreset(preset, "a table", Kind.RESYNTHESIS, 0.5 * result.audio, result.plays, 0.1, metrics, 0.2)
    return dataclasses.replace(result, closest=closest)


def test_write_result_with_a_closest_preset_writes_both(result, tmp_path):
    files = write_result(with_closest(result), tmp_path / "a.b.vital", with_target=True)
    names = ["a.b.vital", "a.b-vjax.wav", "a.b-vjax.png", "a.b (closest).vital", "a.b (closest)-vjax.wav"]
    assert [file.name for file in files] == [*names, "a.b-target.wav"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert (read_preset(files[0]).name, read_preset(files[3]).name) == ("a", "a (closest)")
    audio, _ = soundfile.read(files[4], dtype="float32")
    np.testing.assert_array_equal(audio.T, 0.5 * result.audio)
    write_result(result, tmp_path / "alone" / "a.vital")
    with Image.open(files[2]) as three, Image.open(tmp_path / "alone" / "a-vjax.png") as two:
        assert 2 * three.width == 3 * two.width  # the closest preset is drawn as well
    write_result(with_closest(result, "another"), tmp_path / "a.b.vital")
    assert read_preset(files[3]).name == "another"


def test_write_result_over_a_changed_closest_preset_raises_unless_overwrite(result, tmp_path):
    path, closest = tmp_path / "a.vital", tmp_path / "a (closest).vital"
    write_result(with_closest(result), path)
    changed = read_json(closest) | {"author": "me"}
    write_preset(closest, changed)
    for function in (write_result, lambda _, path: check_writable(path)):
        with pytest.raises(
            ValueError, match=r"a \(closest\)\.vital exists, and it is not as an earlier match wrote it"
        ):
            function(with_closest(result), path)
    assert read_json(closest) == changed
    write_result(result, path, overwrite=True)
    assert read_json(closest) == changed  # no new closest preset replaces it
    write_result(with_closest(result), path, overwrite=True)
    assert read_preset(closest).author != "me"


def test_write_result_without_a_closest_preset_removes_the_earlier_one(result, tmp_path):
    write_result(with_closest(result), tmp_path / "a.vital")
    write_result(result, tmp_path / "a.vital")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-vjax.png", "a-vjax.wav", "a.vital"]


def test_result_json_and_index_row_contain_the_closest_preset(result):
    found = with_closest(result)
    content = result_json(found)
    assert (content["preset"]["label"], content["preset"]["kind"]) == ("near", "neighbour")
    assert (content["closest"]["label"], content["closest"]["kind"]) == ("a table", "resynthesis")
    assert content["closest"]["metrics"]["mss"] == 0.5
    assert result_json(result)["closest"] is None
    row = index_row(found, "out/a.vital")
    assert (row["kind"], row["closest"]) == ("neighbour", "out/a (closest).vital")
    assert (row["closest_label"], row["closest_kind"], row["closest_mss"]) == ("a table", "resynthesis", 0.5)
    row = index_row(result, "out/a.vital")
    assert {row[name] for name in ("closest", "closest_label", "closest_kind", "closest_mss")} == {""}
