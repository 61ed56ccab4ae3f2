"""Tests of vjax.vital.collect: reading and naming of files, each sound once, and the selection under a limit."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vjax.vital.collect import (
    Limits,
    best_cover,
    build_vocabulary,
    collect,
    commonest_first,
    most_varied,
    preset_shapes,
    preset_tables,
    read_all,
    read_table,
    with_unique_names,
    without_alike,
)
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.lfo_shapes import shape_json, shape_key, standard_shapes
from vjax.vital.preset import Route, init, read_preset
from vjax.vital.preset_json import MAX_BYTES
from vjax.vital.table_spectra import BANDS, FRAME_POSITIONS, table_spectra
from vjax.vital.vocabulary import Vocabulary
from vjax.vital.wavetables import WavetableCatalog, table_json, table_key

PRESETS = Path(__file__).parents[1] / "data" / "presets"
START = Vocabulary(default_vocabulary().wavetables.chosen([0, 1]), standard_shapes().first(4))  # spectra are stored


def cycle(*amplitudes: float) -> np.ndarray:
    """[1, 2048]: a sum of sines, amplitudes of harmonics 1, 2 ..."""
    orders = np.arange(1, len(amplitudes) + 1)
    return (np.array(amplitudes) @ np.sin(2 * np.pi * np.outer(orders, np.arange(2048) / 2048)))[None]


def save(path: Path, content) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(("given", "name"), [("Init", "my saw"), ("", "my saw"), ("Bright", "Bright")])
def test_read_table_with_a_default_name_takes_the_file_name(tmp_path, given, name):
    table = table_json(given, cycle(1.0))
    assert read_table(save(tmp_path / "my saw.vitaltable", table)) == {**table, "name": name}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", r"bad\.vitaltable: not a Vital wavetable \(Expecting value"),
        ("[" * 100_000, r"bad\.vitaltable: not a Vital wavetable \(maximum recursion"),
        ("[1]", r"bad\.vitaltable: not a Vital wavetable \(wavetable is \[1\]; it must be an object"),
        ('{"groups": []}', r"bad\.vitaltable: not a Vital wavetable \(wavetable has no components"),
        ('{"groups": [], "x": NaN}', r"bad\.vitaltable: not a Vital wavetable \(wavetable\.x is nan"),
    ],
)
def test_read_table_of_another_file_names_it(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_table(save(tmp_path / "bad.vitaltable", content))


def test_read_table_of_a_too_large_file_raises_without_reading(tmp_path):
    with open(tmp_path / "huge.vitaltable", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no space
    with pytest.raises(ValueError, match=r"huge\.vitaltable: 67108865 bytes; expected a wavetable of at most 67108864"):
        read_table(tmp_path / "huge.vitaltable")


def test_read_all_leaves_out_unreadable_files_with_a_warning(tmp_path):
    good = save(tmp_path / "good.vitaltable", table_json("Good", cycle(1.0)))
    paths = [good, save(tmp_path / "bad.vitaltable", "x"), tmp_path / "gone.vitaltable", good]
    warnings: list[str] = []
    assert [table["name"] for table in read_all(paths, read_table, warnings.append)] == ["Good", "Good"]
    assert len(warnings) == 2
    assert all(warning.startswith("left out: ") for warning in warnings)
    assert "bad.vitaltable" in warnings[0]
    assert "gone.vitaltable" in warnings[1]


def test_preset_tables_and_shapes_in_use_take_the_preset_name():
    chippy = read_preset(PRESETS / "Chippy_Klassic.vital")  # two oscillators on, tables called "Init"
    pad = read_preset(PRESETS / "Drifting_Pad_1108Redux.vital")
    tables = preset_tables([chippy, pad])
    assert [table["name"] for table in tables] == ["Chippy 1", "Chippy 2", "Saws for Days"]
    assert [table_key(table) for table in tables] == [
        table_key(table) for table in (*chippy.wavetables[:2], pad.wavetables[0])
    ]
    (shape,) = preset_shapes([chippy, pad])  # the pad routes no LFO
    assert shape["name"] == "Chippy LFO 1"
    assert shape_key(shape) == shape_key(chippy.lfo_shapes[0])


def test_preset_shapes_keep_own_names_and_leave_out_bypassed_lfos():
    shapes = list(init().lfo_shapes)
    shapes[1] = {**shapes[1], "name": "Mine"}
    routes = [None] * 64
    routes[3] = Route("lfo_2", "osc_1_pan", 0.5)
    routes[4] = Route("lfo_3", "osc_1_pan", 0.5, bypass=True)
    made = dataclasses.replace(init(), lfo_shapes=tuple(shapes), routes=tuple(routes))
    assert [shape["name"] for shape in preset_shapes([made])] == ["Mine"]


def test_commonest_first_sorts_by_count_and_keeps_the_order_of_ties():
    items = [{"v": v, "i": i} for i, v in enumerate("abcbacbd")]
    assert [(item["v"], item["i"]) for item in commonest_first(items, lambda item: item["v"])] == [
        ("b", 1),
        ("a", 0),
        ("c", 2),
        ("d", 7),
    ]


def test_with_unique_names_renames_new_shapes():
    entries = standard_shapes()
    first, second = (shape_json("Sine", [(0, 0), (x, 1), (1, 0)]) for x in (0.2, 0.3))
    renamed = {**entries.shapes[3], "name": "Existing"}
    named = with_unique_names(
        [first, renamed, second, {**second, "name": "Again"}, shape_json("New", [(0, 1), (1, 1)])], entries
    )
    assert [shape["name"] for shape in named] == [f"Sine #{shape_key(second)[:4]}", f"Sine #{shape_key(first)[:4]}"]
    # "New" draws what the standard "Full" draws.
    assert entries.find(shape_json("New", [(0, 1), (1, 1)])) == entries.names.index("Full")


def catalog(*levels: float) -> WavetableCatalog:
    """Tables with hand-made spectra: a level in all frames and bands, in dB."""
    tables = tuple(table_json(f"T{i}", cycle(*np.eye(20)[i])) for i in range(len(levels)))
    flat = np.ones((len(FRAME_POSITIONS), BANDS), np.float32)
    return WavetableCatalog(tables, np.stack([level * flat for level in levels]))


@pytest.mark.parametrize(
    ("threshold_db", "keep", "left"),
    [
        (0.0, 1, "T0 T1 T2 T3 T4"),
        (1.5, 1, "T0 T2 T4"),
        (1.5, 2, "T0 T1 T3"),
        (2.5, 1, "T0 T3"),
        (100, 1, "T0"),
        (100, 3, "T0 T1 T2"),
    ],
)
def test_without_alike_drops_tables_near_an_earlier_one(threshold_db, keep, left):
    """Each 1 dB from the one before; T2 is as far from T0 as T1 is near."""
    found = without_alike(catalog(0, 1, 2, 3, 4), threshold_db, keep)
    assert " ".join(found.names) == left
    np.testing.assert_array_equal(found.spectra[:, 0, 0], [int(name[1]) for name in left.split()])


def test_without_alike_compares_all_frames():
    entries = catalog(0, 0)
    entries.spectra[1, :3] = 30.0  # 3 of 9 frames: 10 dB in the mean
    assert len(without_alike(entries, 9.9)) == 2
    assert len(without_alike(entries, 10.1)) == 1


def test_most_varied_adds_the_farthest_entry_each_time():
    entries = catalog(0, 10, 11, 12, 13, 40)
    assert most_varied(entries, 2).names == ("T0", "T5")
    assert most_varied(entries, 3).names == ("T0", "T5", "T4")
    assert most_varied(entries, 3, keep=2).names == ("T0", "T1", "T5")
    assert most_varied(entries, 99).names == ("T0", "T5", "T4", "T1", "T2", "T3")
    assert most_varied(entries, 1, keep=3).names == ("T0",)


def test_best_cover_minimises_the_mean_distance_to_a_chosen_entry():
    """Sums of distances left, by hand: T1 36, T2 33, T3 32, T4 33, T5 46."""
    entries = catalog(0, 10, 11, 12, 13, 40)
    assert best_cover(entries, 2).names == ("T0", "T3")
    assert best_cover(entries, 3).names == ("T0", "T3", "T5")
    assert best_cover(entries, 3, keep=2).names == ("T0", "T1", "T5")
    assert sorted(best_cover(entries, 99).names) == sorted(entries.names)
    np.testing.assert_array_equal(best_cover(entries, 2).spectra[:, 0, 0], [0, 12])


def test_limits_with_an_unknown_select_raises():
    with pytest.raises(ValueError, match="select='all'; choose 'varied' or 'cover'"):
        Limits(select="all")


def test_collect_from_a_folder_adds_each_new_sound_once(tmp_path):
    """Two tables are new, one file is a copy, one is the sine with other phases, and one file is broken."""
    fifth, phased = table_json("Init", cycle(0.6, 0, 0.4)), table_json("Phased", -cycle(1.0))
    save(tmp_path / "a" / "fifth.vitaltable", fifth)
    save(tmp_path / "b" / "again.vitaltable", {**fifth, "name": "Other name"})
    save(tmp_path / "b" / "phased.vitaltable", phased)
    save(tmp_path / "broken.vitaltable", "x")
    save(tmp_path / "broken.vital", '{"settings": {}}')
    shutil.copy(PRESETS / "Chippy_Klassic.vital", tmp_path / "a" / "chippy.vital")
    chippy = read_preset(PRESETS / "Chippy_Klassic.vital")
    warnings: list[str] = []
    found = collect([tmp_path], START, Limits(), warnings.append)
    assert [warning.split(":")[1].rsplit("/")[-1] for warning in warnings] == ["broken.vitaltable", "broken.vital"]
    assert found.wavetables.names == ("Init", "Sine", "fifth", "Chippy 1")
    assert found.wavetables.find(fifth) == 2
    assert found.wavetables.find(chippy.wavetables[0]) == 3
    assert found.lfo_shapes.names == (*START.lfo_shapes.names, "Chippy LFO 1")
    assert found.lfo_shapes.find(chippy.lfo_shapes[0]) == 4
    assert not np.isnan(found.wavetables.spectra).any()
    np.testing.assert_array_equal(found.wavetables.spectra[:2], START.wavetables.spectra)
    everything = collect([tmp_path], START, Limits(table_threshold_db=0.0), warnings.append)
    assert everything.wavetables.names == (*found.wavetables.names[:3], "Phased", "Chippy 1")


def test_collect_from_a_folder_without_readable_files_raises(tmp_path):
    save(tmp_path / "bad.vital", "x")
    warnings: list[str] = []
    with pytest.raises(ValueError, match=r"no readable \.vitaltable or \.vital file in .*"):
        collect([tmp_path], START, Limits(), warnings.append)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (Limits(max_tables=3, select="varied"), "Init Sine Alone"),
        (Limits(max_tables=3, select="cover"), "Init Sine A"),
    ],
)
def test_build_vocabulary_with_max_tables_selects_by_variety_or_cover(limits, names):
    """Three tables are near each other, one is alone. "cover" takes one of the three, "varied" the one alone."""
    new = [
        table_json("Alone", cycle(0, 0.5, 0, 0.5)),
        table_json("A", cycle(0, 0, 0, 0, 0, 1.0)),
        table_json("B", cycle(0, 0, 0, 0, 0, 1.0, 0.02)),
        table_json("C", cycle(0, 0, 0, 0, 0, 1.0, 0, 0.02)),
    ]
    assert " ".join(build_vocabulary(START, new, [], limits).wavetables.names) == names


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (Limits(), ["Bent", "Flat"]),
        (Limits(max_shapes=5), ["Bent"]),
        (Limits(shape_threshold=0.05), ["Flat"]),
    ],
)
def test_build_vocabulary_with_limits_leaves_out_shapes(limits, names):
    """ "Bent" is a saw with its middle 0.08 too high: 0.04 away in the mean."""
    drawn = [shape_json("Bent", [(0, 0), (0.5, 0.58), (1, 1)]), shape_json("Flat", [(0, 0.5), (1, 0.5)])]
    found = build_vocabulary(START, [], drawn, limits)
    assert list(found.lfo_shapes.names[4:]) == names
    assert found.wavetables.names == START.wavetables.names


def test_build_vocabulary_leaves_out_a_table_that_the_engine_rejects():
    """It passes all checks of its form, but lacks a part that only the engine requires."""
    rejected = {
        **table_json("Rejected", cycle(0, 1.0)),
        "groups": [{"components": [{"type": "Wave Source", "keyframes": []}]}],
    }
    played = table_json("Played", cycle(0, 0, 1.0))
    warnings: list[str] = []
    found = build_vocabulary(START, [rejected, played], [], Limits(), warn=warnings.append)
    assert found.wavetables.names == ("Init", "Sine", "Played")
    assert not np.isnan(found.wavetables.spectra).any()
    (warning,) = warnings
    assert warning.startswith("left out: wavetable 'Rejected': ")
    with pytest.raises(ValueError, match="wavetable 'Rejected': "):
        table_spectra([rejected])
