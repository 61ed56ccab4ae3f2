"""Tests of the usage statistics: kinds, counts, the command, and the shipped file."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from vjax.data import usage
from vjax.data.usage import QUANTILES, count_usage, kind, load_usage
from vjax.sound.schema import CATALOG_CHOICES
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, write_preset
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.vocabulary import Vocabulary, to_preset
from vjax.vital.wavetables import table_json

VOCABULARY = Vocabulary(standard_catalog())
VITAL = VOCABULARY.schema()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("osc_2_level", "osc_N_level"),
        ("filter_1_cutoff", "filter_N_cutoff"),
        ("filter_fx_cutoff", "filter_fx_cutoff"),
        ("lfo_8_frequency", "lfo_N_frequency"),
        ("random_4_style", "random_N_style"),
        ("env_1_attack", "env_1_attack"),
        ("env_2_attack", "env_N_attack"),
        ("env_6_attack", "env_N_attack"),
        ("macro_control_3", "macro_control_N"),
        ("modulation_17_amount", "modulation_N_amount"),
        ("volume", "volume"),
        ("sample_level", "sample_level"),
    ],
)
def test_kind_of_controls_with_one_role_is_the_same(name, role):
    assert kind(name) == role


def preset(knobs: dict[str, float], switches: dict[str, int], routes: tuple = ()) -> Preset:
    parameters = VITAL.default_parameters()
    for name, norm in knobs.items():
        parameters.continuous[VITAL.position[name]] = norm
    for name, option in switches.items():
        parameters.categorical[VITAL.position[name]] = option
    for slot, (source, destination) in enumerate(routes):
        cell = VITAL.sources.index(source) * len(VITAL.destinations) + VITAL.destinations.index(destination)
        parameters.route_index[slot], parameters.route_value[slot, 0] = cell, 0.5
    return to_preset(parameters, VITAL, VOCABULARY)


@pytest.fixture(scope="module")
def three() -> list[Preset]:
    """Presets with oscillator 1; 1 and 2; 3 on. Their levels are 0.2; default and 0.4; 0.6. There are three routes."""
    return [
        preset({"osc_1_level": 0.2, "osc_2_level": 0.9}, {}, [("lfo_1", "osc_1_level")]),
        preset(
            {"osc_2_level": 0.4, "volume": 0.5},
            {"osc_2_on": 1, "osc_2_spectral_morph_type": 3},
            [("macro_control_1", "osc_2_level"), ("macro_control_1", "lfo_3_frequency")],
        ),
        preset({"osc_3_level": 0.6}, {"osc_1_on": 0, "osc_3_on": 1}),
    ]


def test_count_usage_of_three_presets_matches_hand_counts(three):
    found = count_usage(three, VITAL)
    assert found["presets"] == 3
    # Four oscillators are on, and three of their levels are changed. The level of an oscillator that is off is ignored.
    assert found["changed"]["osc_N_level"] == 0.75
    np.testing.assert_allclose(found["quantiles"]["osc_N_level"], [0.2, 0.22, 0.3, 0.4, 0.5, 0.58, 0.6], atol=1e-6)
    assert found["changed"]["volume"] == pytest.approx(1 / 3, abs=1e-4)
    assert "volume" not in found["quantiles"]  # one value is not a distribution
    assert found["changed"]["env_1_attack"] == 0
    assert (found["options"]["osc_1_on"], found["options"]["osc_3_on"]) == ([1, 2], [2, 1])
    assert found["options"]["osc_N_spectral_morph_type"][:5] == [3, 0, 0, 1, 0]
    assert "reverb_on" in found["options"]
    assert "reverb_chorus_amount" not in found["changed"]  # no preset has its reverb on
    assert not any(name.endswith(("wavetable", "shape")) for name in found["options"])
    assert found["sources"] == {"macro_control_1": 2, "lfo_1": 1}
    assert found["destinations"] == {"osc_N_level": 2, "lfo_N_frequency": 1}
    assert found["routes"] == 1.0


def test_count_usage_counts_route_chains_and_ignores_inaudible_routes(three):
    """A route to another route counts by its kind. Bypassed routes, and routes to an empty slot, do not count."""
    first, second, third = (list(preset.routes) for preset in three)
    first[1] = Route("lfo_2", "modulation_1_amount", 0.5)
    second[1] = second[1]._replace(bypass=True)
    third[0] = Route("env_2", "modulation_9_power", 0.5)
    routes = (first, second, third)
    found = count_usage([dataclasses.replace(p, routes=tuple(r)) for p, r in zip(three, routes, strict=True)], VITAL)
    assert found["sources"] == {"lfo_1": 1, "lfo_2": 1, "macro_control_1": 1}
    assert found["destinations"] == {"osc_N_level": 2, "modulation_N_amount": 1}
    assert found["routes"] == 1.0


def test_count_usage_ignores_custom_wavetables_and_shapes(three):
    """Wavetables and shapes of one person are not in the statistics."""
    table = table_json("Mine", np.cos(np.arange(2048))[None])
    shape = shape_json("Mine", [(0, 0.3), (0.2, 1), (1, 0.1)])
    own = [dataclasses.replace(preset, wavetables=(table,) * 3, lfo_shapes=(shape,) * 8) for preset in three]
    assert count_usage(own, VITAL) == count_usage(three, VITAL)


def test_usage_command_writes_the_counts_of_a_folder(three, tmp_path, monkeypatch, capsys):
    (tmp_path / "pads").mkdir()
    for i, made in enumerate(three):
        write_preset(tmp_path / "pads" / f"{i}.vital", made.to_json())
    out = tmp_path / "usage.json"
    monkeypatch.setattr(sys, "argv", ["usage", str(tmp_path), "--out", str(out)])
    usage.main()
    assert json.loads(out.read_text()) == count_usage(three, VITAL)
    assert "3 presets, 1.0 routes each" in capsys.readouterr().out


def test_usage_command_with_an_empty_folder_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["usage", str(tmp_path), "--out", str(tmp_path / "usage.json")])
    with pytest.raises(SystemExit):
        usage.main()
    assert "contains no .vital file" in capsys.readouterr().err
    assert not (tmp_path / "usage.json").exists()


def test_load_usage_matches_the_engines_schema():
    shipped = load_usage()
    assert shipped["presets"] >= 50
    assert set(shipped["changed"]) == {kind(name) for name in VITAL.continuous_names}
    assert all(0 <= share <= 1 for share in shipped["changed"].values())
    for role, values in shipped["quantiles"].items():
        assert len(values) == len(QUANTILES), role
        assert 0 <= values[0] <= values[-1] <= 1, role
        assert (np.diff(values) >= 0).all(), role
    for menu in VITAL.categorical:
        if menu.name not in CATALOG_CHOICES:
            counts = shipped["options"][menu.name if menu.name.endswith("_on") else kind(menu.name)]
            assert len(counts) == menu.n_options, menu.name
    assert sum(shipped["options"]["osc_1_on"]) == shipped["presets"]
    assert set(shipped["sources"]) <= set(VITAL.sources)
    assert set(shipped["destinations"]) <= {kind(name) for name in VITAL.destinations}
    assert sum(shipped["sources"].values()) == sum(shipped["destinations"].values())


def test_count_usage_does_not_change_the_presets(three):
    before = [preset.to_json() for preset in three]
    count_usage(three, VITAL)
    assert [preset.to_json() for preset in three] == before
