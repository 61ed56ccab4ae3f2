"""Tests of vjax.vital.tutorial.follow. tests/vital/tutorial/test_explain.py follows the tutorials of whole presets."""

from vjax.engine import synth
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.tutorial.follow import follow
from vjax.vital.tutorial.steps import Connection, Fact, Part, Step, Tutorial


def test_follow_sets_what_the_steps_state_and_nothing_else():
    route = Route("env_2", "filter_1_cutoff", 0.25, bipolar=True, power=2.0)
    parts = [Part(name, "") for name in ("osc_2_wavetable", "lfo_3_shape", "sample", "modulation_5_curve")]
    steps = (
        Step("", (), (Fact("osc_1_level", "", 0.5, ""), Fact("filter_1_on", "", 1.0, ""))),
        Step("", (), (), (Connection(5, route, ""),), tuple(parts)),
    )
    file = init().to_json()
    own = file["settings"]
    curve, shape = shape_json("", [(0, 1), (1, 0)]), shape_json("own", [(0, 0), (1, 1)])
    own["wavetables"][1] = {**own["wavetables"][1], "name": "own"}
    own["wavetables"][2] = {**own["wavetables"][2], "name": "not stated"}
    own["lfos"][2], own["sample"] = shape, {**own["sample"], "name": "own"}
    own["modulations"][4] = {"source": "", "destination": "", "line_mapping": curve}
    own["reverb_on"] = 1.0

    made = follow(Tutorial("", "", "", steps), file)
    before = synth.init_preset()["settings"]
    changed = {name for name, value in made["settings"].items() if value != before[name]}
    assert changed == {
        *("osc_1_level", "filter_1_on", "modulation_5_amount", "modulation_5_bipolar", "modulation_5_power"),
        *("modulations", "wavetables", "lfos", "sample"),
    }
    assert [table["name"] for table in made["settings"]["wavetables"]] == ["Init", "own", "Init"]
    preset = Preset.from_json(made)
    assert preset.routes[4] == route._replace(curve=curve)
    assert preset.lfo_shapes[2] == shape
    assert preset.sample["name"] == "own"
