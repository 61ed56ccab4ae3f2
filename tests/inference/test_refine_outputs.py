"""Tests of vjax.inference.refine_outputs."""

import csv
import json

import numpy as np
import pytest

from vjax.inference.judge import Judged
from vjax.inference.refine import Refined
from vjax.inference.refine_outputs import (
    COLUMNS,
    read_part,
    remove_part,
    table_row,
    trace_picture,
    write_part,
    write_refined,
)
from vjax.inference.search import Progress
from vjax.inference.target import RefineTarget, Start
from vjax.vital import preset as vital_preset

TRACE = ((4, 2.0), (13, 1.5), (22, 1.25))


@pytest.fixture
def refined() -> Refined:
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.normal(size=(2, 17640))).astype(np.float32)
    distances = {"mss": 7.0, "mss_padded": 6.0, "wmfcc": 12.0, "sot": 0.1, "rms_cosine": 0.9, "mrstft": 2.0}
    before = Judged(vital_preset.init(), "prediction", 2.0, {**distances, "loudness_difference": 3.0}, audio)
    after = Judged(vital_preset.init(), "near", 1.2, {**distances, "mss": 4.0, "loudness_difference": np.nan}, audio)
    return Refined(
        "kick", vital_preset.init(), "near", before, after, TRACE, {"near": 1.5, "prediction": 2.0}, 22, 3.21, 80, 1
    )


def test_everything_is_written_and_the_preset_last(refined, tmp_path):
    target = RefineTarget("kick", refined.after.audio, 48, (Start("prediction", vital_preset.init()),))
    files = write_refined(refined, target, tmp_path / "deep" / "kick.vital", 44100, with_target=True)
    assert [file.name for file in files] == [
        "kick.vital", "kick-vjax.wav", "kick-vjax.png", "kick-trace.png", "kick-trace.json", "kick-target.wav"
    ]  # fmt: skip
    assert all(file.stat().st_size > 500 for file in files)
    assert not list(tmp_path.rglob("*.partial"))
    assert max(files, key=lambda file: file.stat().st_mtime_ns) == files[0]
    told = json.loads(files[4].read_text())
    assert told["trace"] == [[4, 2.0], [13, 1.5], [22, 1.25]]
    assert (told["before"]["mss"], told["after"]["mss"]) == (7.0, 4.0)
    assert told["after"]["loudness_difference"] is None  # JSON has no NaN
    assert told["starts"] == {"near": 1.5, "prediction": 2.0}


def test_a_row_has_every_column_and_no_other(refined):
    row = table_row(refined, "kick.vital", 48)
    assert set(row) == set(COLUMNS)
    assert (row["loss_before"], row["loss_after"], row["mss_after"]) == (2.0, 1.2, 4.0)
    assert row["loudness_difference_after"] == ""
    failed = table_row(Refined("hat", error="hat: silent"), "hat.vital", 60)
    assert set(failed) <= set(COLUMNS)
    assert (failed["preset"], failed["error"]) == ("", "hat: silent")


def test_the_best_so_far_is_kept_and_found_again(tmp_path):
    stem = tmp_path / "kick.one"  # a name with a dot
    assert read_part(stem) is None
    write_part(stem, Progress("kick", 13, 1.5, 2.0, None, "near"))
    assert read_part(stem) is None  # nothing better than the starts yet: begin again
    write_part(stem, Progress("kick", 22, 1.25, 2.0, vital_preset.init(), "near"))
    part = read_part(stem)
    assert (part.evals, part.start.label) == (22, "near, refined")
    np.testing.assert_array_equal(part.start.preset.continuous, vital_preset.init().continuous)
    write_part(stem, Progress("kick", 31, 1.25, 2.0, None, "near, refined"))
    assert read_part(stem).start.label == "near, refined"
    remove_part(stem)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_counts_as_none(tmp_path):
    write_part(tmp_path / "kick", Progress("kick", 22, 1.25, 2.0, vital_preset.init(), "near"))
    (tmp_path / "kick.part.json").write_text('{"evals": 2')
    assert read_part(tmp_path / "kick") is None


def test_traces_are_drawn_whatever_their_names():
    picture = trace_picture({"$x_1$ kick": TRACE, "empty": ()})
    assert picture.shape == (400, 700, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def drawn(trace) -> int:
    """Pixels that a trace alone adds to a picture, its legend aside."""
    none, picture = trace_picture({"kick": ()}), trace_picture({"kick": trace})
    blue = [np.abs(one.astype(int) - (31, 119, 180)).sum(-1) < 60 for one in (none, picture)]
    return int(blue[1].sum() - blue[0].sum())


def test_trace_picture_without_progress_shows_a_flat_line():
    assert drawn(((4, 2.0), (13, 2.0), (22, 2.0))) > 500


def test_trace_picture_of_ranked_starts_alone_shows_their_loss():
    assert drawn(((4, 2.0),)) > 20


def test_trace_picture_tells_long_names_apart_in_its_legend():
    """They begin with the same folders."""
    folder = "/recordings/of/a/long/session/in/the/studio/of/a/friend/"
    one, two = (trace_picture({f"{folder}{name}": TRACE}) for name in ("kick.wav", "bass.wav"))
    assert not np.array_equal(one, two)


def test_tables_can_be_read_as_csv(refined, tmp_path):
    from vjax.inference.outputs import append_row, start_table

    path = tmp_path / "index.csv"
    start_table(path, [], COLUMNS)
    append_row(path, table_row(refined, "kick.vital", 48), COLUMNS)
    with path.open() as file:
        (row,) = csv.DictReader(file)
    assert row["mss_before"] == "7.0"
    start_table(path, ["kick"], COLUMNS)  # a new run of the same sound replaces its row
    with path.open() as file:
        assert list(csv.DictReader(file)) == []
