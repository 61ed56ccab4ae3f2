"""Tests the rows of text for predictions, and spectrograms drawn in characters."""

import math

import numpy as np
import pytest

from vjax.audio.mel import MelConfig
from vjax.browser.controls import Control, RoutePair
from vjax.browser.mel_cells import RANGE_DB, frequency_ticks, mel_text, to_db
from vjax.browser.views import (
    NARROW,
    WIDE,
    RowFilter,
    control_rows,
    difference_bar,
    menu_rows,
    note_name,
    percent,
    route_rows,
)


def _control(name, module, difference=0.0, audible=True, probability=None, **values):
    menu = {"probability": probability, "spread_norm": None} if probability is not None else {}
    plain = {
        "predicted": "1",
        "target": "2",
        "spread_norm": 0.053,
        "probability": None,
        "best": (("Saw", 0.7), ("Sine", 0.2)) if probability is not None else (),
    }
    return Control(name, module, difference_norm=difference, audible=audible, **(plain | menu | values))


CONTROLS = [
    _control("osc_1_on", "osc_1", 0.0, probability=0.9),
    _control("osc_1_level", "osc_1", -0.3),
    _control("osc_1_view", "osc_1", 1.0, probability=0.6),
    _control("lfo_1_phase", "lfo_1", 0.4, audible=False),
    _control("lfo_1_rate", "lfo_1", math.nan, target=""),
]


def _cells(rows):
    return [[cell.plain for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("difference", "bar", "colour"),
    [
        (0.0, "     │     ", "green"),
        (0.04, "     │▌    ", "green"),
        (-0.1, "    █│     ", "yellow"),
        (-0.15, "   ▐█│     ", "yellow"),
        (0.3, "     │███  ", "red"),
        (0.5, "     │█████", "red"),
        (-1.0, "█████│     ", "red"),
    ],
)
def test_difference_bar_points_in_the_direction_of_the_difference(difference, bar, colour):
    found = difference_bar(difference, 11)
    assert found.plain == bar
    assert colour in {str(span.style) for span in found.spans}


def test_difference_bar_with_nan_is_empty():
    assert difference_bar(math.nan, 11).plain == " " * 11


def test_control_rows_group_controls_below_their_module():
    rows = _cells(control_rows(CONTROLS, RowFilter()))
    assert [row[0].strip() for row in rows] == ["osc_1", "on", "level", "view", "lfo_1", "phase", "rate"]
    on, level = rows[1], rows[2]
    assert "same" in on[3]
    assert on[4].strip() == "90%"
    assert [cell.strip() for cell in level[1:3]] == ["2", "1"]
    assert "███│" in level[3]
    assert level[4].strip() == "±5.3%"
    assert "other" in rows[3][3]


def test_control_rows_with_inaudible_controls_are_dim():
    rows = control_rows(CONTROLS, RowFilter())
    dim = [row[0].plain.strip() for row in rows if "dim" in str(row[0].style)]
    assert dim == ["phase"]
    silent = control_rows(CONTROLS[3:4], RowFilter())
    assert ["dim" in str(row[0].style) for row in silent] == [True, True]


def test_control_rows_with_a_filter_show_only_matching_controls():
    def names(show):
        return [row[0].strip() for row in _cells(control_rows(CONTROLS, show))]

    assert names(RowFilter("LEV")) == ["osc_1", "level"]
    assert names(RowFilter("nothing")) == []
    # The difference of phase is inaudible; rate has no target.
    assert names(RowFilter(only_different=True)) == ["osc_1", "level", "view"]


def test_menu_rows_sort_by_probability_lowest_first():
    rows = _cells(menu_rows(CONTROLS, RowFilter()))
    assert [row[0].strip() for row in rows] == ["osc_1_view", "osc_1_on"]
    assert rows[0][3].strip() == "60%"
    assert rows[0][4].strip() == "Saw 70% · Sine 20%"
    colours = [str(row[2].style) for row in menu_rows(CONTROLS, RowFilter())]
    assert colours == ["red", "green"]


def test_route_rows_show_kind_amounts_and_manner():
    routes = [
        RoutePair("lfo_1", "osc_1_level", (0.5, 1.0, 0.0, 0.0), (-0.25, 0.0, 0.0, 0.0), 0.8),
        RoutePair("macro_control_1", "volume", (0.1, 0.0, 2.0, 1.0), None, None),
        RoutePair("env_2", "power of (lfo_1 > osc_1_level)", None, (0.3, 0.0, 0.0, 0.0), 0.55),
    ]
    rows = [[cell.strip() for cell in row] for row in _cells(route_rows(routes, RowFilter()))]
    assert rows[0] == ["✓ found", "lfo_1", "osc_1_level", "+0.50", "-0.25", "80%", "bipolar > plain"]
    assert rows[1] == ["- missed", "macro_1", "volume", "+0.10", "", "", "stereo, power 2.0"]
    assert rows[2] == ["+ new", "env_2", "power of (lfo_1 > osc_1_level)", "", "+0.30", "55%", "plain"]
    assert len(route_rows(routes, RowFilter(only_different=True))) == 2
    assert len(route_rows(routes, RowFilter("volume"))) == 1


@pytest.mark.parametrize("columns", [NARROW, WIDE])
def test_control_and_menu_rows_with_long_names_fit_their_columns(columns):
    long = [_control("osc_1_" + "x" * 60, "osc_1", 0.2, predicted="y" * 60, probability=0.5)]
    for table, rows in (
        (columns.controls, control_rows([*CONTROLS, *long], RowFilter(), columns)),
        (columns.menus, menu_rows(long, RowFilter(), columns)),
    ):
        assert rows
        for row in rows:
            assert all(len(cell) <= column.width for cell, column in zip(row, table, strict=True))
            assert all(cell.plain[:1] in ("", " ") for cell in row)


def test_narrow_columns_leave_room_for_the_list_of_sounds():
    assert sum(column.width for column in NARROW.controls) <= 80 - 23 - 1


def test_note_name_and_percent_with_values_and_none_return_texts():
    assert [note_name(note) for note in (60, 0, 127, None)] == ["C4", "C-1", "G9", ""]
    assert [percent(value) for value in (0.934, None, math.nan)] == ["93%", "", ""]


def _pixels(text):
    """[2 * lines, width] brightness of an image, from its colours."""
    rows = []
    for line in text.split("\n"):
        upper, lower = [], []
        for span in line.spans:
            width = span.end - span.start
            upper += [sum(span.style.color.triplet)] * width
            lower += [sum(span.style.bgcolor.triplet)] * width
        rows += [upper, lower]
    return np.array(rows)


def test_mel_text_has_the_requested_size_and_low_frequencies_at_the_bottom():
    mel_db = np.full((128, 173), -100.0)
    mel_db[:16] = 20  # the lowest eighth
    mel_db[64:, 86:] = -20  # the upper half, later, weaker
    text = mel_text(mel_db, width=40, height=8, top_db=20)
    assert text.plain.split("\n") == ["▀" * 40] * 8
    pixels = _pixels(text)
    assert pixels.shape == (16, 40)
    assert (pixels[14:] == pixels.max()).all()
    assert (pixels[8:14] == pixels.min()).all()
    assert (pixels[:8, :19] == pixels.min()).all()
    assert pixels.min() < pixels[0, 30] < pixels.max()


def test_mel_text_with_other_sizes_repeats_or_merges_pixels():
    one = np.zeros((3, 2))
    one[0, 1] = RANGE_DB
    pixels = _pixels(mel_text(one, width=7, height=3, top_db=RANGE_DB))
    assert pixels.shape == (6, 7)
    assert (pixels == pixels.max()).sum() == 2 * 3
    thin = np.zeros((128, 173))
    thin[50] = RANGE_DB  # one partial is not averaged away
    assert _pixels(mel_text(thin, width=10, height=2, top_db=RANGE_DB)).max() == sum((252, 253, 191))


def test_to_db_of_a_stored_log_mel_returns_decibels():
    power = np.array([[0.0, 1e-3, 1.0, 1e6]])
    np.testing.assert_allclose(to_db(np.log1p(power)), [[-100, -30, 0, 60]], atol=1e-6)


def test_frequency_ticks_lie_at_their_mel_bands():
    ticks = frequency_ticks(MelConfig(), 16)
    assert [tick for tick in ticks if tick] == ["8k", "2k", "500", "125"]
    # On Slaney's scale, 1000 Hz is 15 mel and 22.05 kHz is 60. 500 Hz lies at an eighth of the height.
    assert ticks.index("500") == 15 - 16 // 8
    telephone = frequency_ticks(MelConfig(sample_rate=8000, f_max_hz=4000.0), 16)
    assert "8k" not in telephone
    assert "2k" in telephone
