"""Tests of vjax.matching.traces."""

import numpy as np

from vjax.matching.traces import read_part, remove_part, trace_image, write_part
from vjax.search.evolution import Progress
from vjax.vital import preset as vital_preset

TRACE = ((4, 2.0), (13, 1.5), (22, 1.25))


def test_read_part_returns_the_written_part(tmp_path):
    stem = tmp_path / "kick.one"  # a name with a dot
    assert read_part(stem) is None
    write_part(stem, Progress("kick", 13, 1.5, 2.0, None, "near"))
    assert read_part(stem) is None  # nothing better than the candidates yet: begin again
    write_part(stem, Progress("kick", 22, 1.25, 2.0, vital_preset.init(), "near"))
    part = read_part(stem)
    assert (part.evals, part.candidate.label) == (22, "near, refined")
    np.testing.assert_array_equal(part.candidate.preset.continuous, vital_preset.init().continuous)
    write_part(stem, Progress("kick", 31, 1.25, 2.0, None, "near, refined"))
    assert read_part(stem).candidate.label == "near, refined"
    remove_part(stem)
    assert list(tmp_path.iterdir()) == []


def test_read_part_of_a_damaged_file_is_none(tmp_path):
    write_part(tmp_path / "kick", Progress("kick", 22, 1.25, 2.0, vital_preset.init(), "near"))
    (tmp_path / "kick.part.json").write_text('{"evals": 2')
    assert read_part(tmp_path / "kick") is None


def test_trace_image_with_special_names_is_drawn():
    image = trace_image({"$x_1$ kick": TRACE, "empty": ()})
    assert image.shape == (400, 700, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20


def n_drawn_pixels(trace) -> int:
    """Number of pixels that a trace adds to an image, without the legend."""
    empty, image = trace_image({"kick": ()}), trace_image({"kick": trace})
    blue = [np.abs(one.astype(int) - (31, 119, 180)).sum(-1) < 60 for one in (empty, image)]
    return int(blue[1].sum() - blue[0].sum())


def test_trace_image_without_progress_shows_a_flat_line():
    assert n_drawn_pixels(((4, 2.0), (13, 2.0), (22, 2.0))) > 500


def test_trace_image_with_a_single_point_shows_it():
    assert n_drawn_pixels(((4, 2.0),)) > 20


def test_trace_image_with_long_names_shows_different_legends():
    """The names begin with the same folders."""
    folder = "/recordings/of/a/long/session/in/the/studio/of/a/friend/"
    one, two = (trace_image({f"{folder}{name}": TRACE}) for name in ("kick.wav", "bass.wav"))
    assert not np.array_equal(one, two)
