"""Presets to numbers and back, through Vital's JSON and through the real engine, and what bad files answer."""

import copy
import json
import math

import numpy as np
import pytest
import vita
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.data.sampling import SamplingConfig, sample_block
from vjax.schema import N_SLOTS, WAVETABLE_CHOICES, Parameters, Schema
from vjax.vital import engine, preset
from vjax.vital.engine import RenderConfig
from vjax.vital.isolate import call_isolated
from vjax.vital.preset import from_parameters, read_preset, to_parameters, write_preset
from vjax.vital.wavetables import VITAL_VERSION, WavetableCatalog, standard_catalog, table_json

CATALOG = standard_catalog()
VITAL = Schema.from_engine(len(CATALOG))


def any_parameters(seed: int) -> Parameters:
    """Everything at random: all knobs, all menus, up to 64 routes in any slots."""
    rng = np.random.default_rng(seed)
    n, n_cells = rng.integers(0, N_SLOTS + 1), len(VITAL.sources) * len(VITAL.destinations)
    slots = rng.choice(N_SLOTS, n, replace=False)
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    index[slots] = rng.choice(n_cells, n, replace=False)
    value[slots] = np.stack(
        [rng.uniform(-1, 1, n), rng.integers(0, 2, n), rng.uniform(-10, 10, n), rng.integers(0, 2, n)], -1
    )
    continuous = rng.random(len(VITAL.continuous), np.float32)
    categorical = rng.integers(0, VITAL.option_counts).astype(np.int32)
    return Parameters(VITAL.to_norm(VITAL.to_native(continuous)), categorical, index, value)


def assert_same(found: Parameters, expected: Parameters) -> None:
    for field in Parameters._fields:
        a, b = getattr(found, field), getattr(expected, field)
        np.testing.assert_array_equal(a, b, err_msg=field)
        assert a.dtype == b.dtype


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_numbers_to_json_and_back_are_the_same(seed):
    parameters = any_parameters(seed)
    text = json.dumps(from_parameters(parameters, VITAL, CATALOG))
    found, lost = to_parameters(json.loads(text), VITAL, CATALOG)
    assert lost == []
    assert_same(found, parameters)


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sampled_presets_come_back_the_same(tier):
    for draw in sample_block(VITAL, SamplingConfig(tier=tier), seed=1, block=0, size=8):
        found, lost = to_parameters(from_parameters(draw.parameters, VITAL, CATALOG), VITAL, CATALOG)
        assert lost == []
        assert_same(found, draw.parameters)


def test_values_are_native_and_integers_whole():
    parameters = VITAL.default_parameters()
    parameters.continuous[VITAL.position["osc_1_transpose"]] = 0.26  # of -48 to 48
    parameters.continuous[VITAL.position["filter_1_cutoff"]] = 0.25  # of 8 to 136
    parameters.categorical[VITAL.position["delay_tempo"]] = 3  # of 4 to 12
    found = from_parameters(parameters, VITAL, CATALOG, name="My sound", comments="made by hand")
    assert found["settings"]["osc_1_transpose"] == -23
    assert found["settings"]["filter_1_cutoff"] == 40
    assert found["settings"]["delay_tempo"] == 7
    assert (found["preset_name"], found["comments"], found["synth_version"]) == (
        "My sound",
        "made by hand",
        VITAL_VERSION,
    )


def test_routes_keep_their_slots_and_wavetables_their_oscillators():
    parameters = VITAL.default_parameters()
    source, destination = VITAL.sources.index("lfo_2"), VITAL.destinations.index("filter_1_cutoff")
    parameters.route_index[9] = source * len(VITAL.destinations) + destination
    parameters.route_value[9] = (-0.5, 1, 2, 0)
    parameters.categorical[[VITAL.position[choice] for choice in WAVETABLE_CHOICES]] = (5, 0, 23)
    found = from_parameters(parameters, VITAL, CATALOG)["settings"]
    assert len(found["modulations"]) == N_SLOTS
    assert found["modulations"][9] == {"source": "lfo_2", "destination": "filter_1_cutoff"}
    assert [found[f"modulation_10_{part}"] for part in ("amount", "bipolar", "power", "stereo")] == [-0.5, 1, 2, 0]
    others = found["modulations"][:9] + found["modulations"][10:]
    assert others == [{"source": "", "destination": ""}] * 63
    assert [table["name"] for table in found["wavetables"]] == [CATALOG.names[i] for i in (5, 0, 23)]


def test_the_init_patch_of_the_engine_is_the_default():
    found, lost = to_parameters(engine.init_preset(), VITAL, CATALOG)
    assert lost == []
    assert_same(found, VITAL.default_parameters())


def test_writing_does_not_touch_the_catalog_or_the_init_patch():
    before = copy.deepcopy((engine.init_preset(), CATALOG.tables))
    made = from_parameters(any_parameters(0), VITAL, CATALOG)
    made["settings"]["wavetables"][0]["name"] = "changed"
    made["settings"]["lfos"][0]["name"] = "changed"
    assert (engine.init_preset(), CATALOG.tables) == before


def _read_back(path: str) -> tuple[dict[str, float], dict]:
    """In a fresh process: what the engine holds after it has loaded the file."""
    synth = vita.Synth()
    with open(path) as file:
        assert synth.load_json(file.read())
    values = {name: control.value() for name, control in synth.get_controls().items()}
    return values, json.loads(synth.to_json())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_engine_holds_what_was_written(tmp_path, seed):
    parameters = any_parameters(seed)
    made = from_parameters(parameters, VITAL, CATALOG)
    write_preset(tmp_path / "sound.vital", made)
    values, saved = call_isolated(_read_back, str(tmp_path / "sound.vital"), timeout_s=60, method="forkserver")
    assert len(values) == 772
    names = sorted(values)
    np.testing.assert_allclose(
        [values[name] for name in names], [made["settings"][name] for name in names], rtol=1e-6, atol=1e-6
    )
    found, lost = to_parameters(saved, VITAL, CATALOG)
    assert lost == []
    np.testing.assert_array_equal(found.categorical, parameters.categorical)  # wavetables too, by content
    np.testing.assert_array_equal(found.route_index, parameters.route_index)
    np.testing.assert_allclose(found.route_value, parameters.route_value, rtol=1e-6, atol=1e-6)


def test_rendering_a_written_preset_repeats_bit_for_bit():
    (draw,) = sample_block(VITAL, SamplingConfig(), seed=5, block=0, size=1)
    config = RenderConfig(seconds=0.2, note_s=0.2)
    first, second = (
        call_isolated(
            engine.render_notes,
            from_parameters(draw.parameters, VITAL, CATALOG),
            (60,),
            config,
            2,
            timeout_s=60,
            method=engine.start_method(),
        )
        for _ in range(2)
    )
    assert np.abs(first).max() > 1e-3
    np.testing.assert_array_equal(first, second)


def test_a_schema_of_another_instrument_is_refused(schema):
    with pytest.raises(ValueError, match=r"continuous has shape \(322,\); this schema expects \(12,\)"):
        from_parameters(VITAL.default_parameters(), schema, CATALOG)
    other = Schema.from_json(VITAL.to_json().replace('"osc_1_level"', '"string_1_level"'))
    with pytest.raises(ValueError, match="string_1_level is no control of vita"):
        from_parameters(other.default_parameters(), other, CATALOG)


def test_a_wavetable_choice_outside_the_catalog_is_refused():
    parameters = VITAL.default_parameters()
    parameters.categorical[VITAL.position["osc_3_wavetable"]] = 23
    with pytest.raises(ValueError, match="wavetable choice 23 is not in this catalog of 4"):
        from_parameters(parameters, VITAL, WavetableCatalog(CATALOG.tables[:4]))


@pytest.fixture
def vital_json() -> dict:
    return copy.deepcopy(engine.init_preset())


def route(preset_json: dict, slot: int, source: str, destination: str, **numbers: float) -> None:
    preset_json["settings"]["modulations"][slot - 1] = {"source": source, "destination": destination}
    preset_json["settings"] |= {f"modulation_{slot}_{part}": value for part, value in numbers.items()}


def cell(source: str, destination: str) -> int:
    return VITAL.sources.index(source) * len(VITAL.destinations) + VITAL.destinations.index(destination)


def test_values_out_of_range_are_clipped_and_reported(vital_json):
    vital_json["settings"] |= {"osc_1_level": 1.5, "filter_1_model": 99, "osc_2_transpose": 10**400}
    route(vital_json, 1, "lfo_1", "osc_1_level", amount=-3.0)
    found, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert found.continuous[VITAL.position["osc_1_level"]] == 1
    assert found.continuous[VITAL.position["osc_2_transpose"]] == 1
    model = VITAL.position["filter_1_model"]
    assert found.categorical[model] == VITAL.option_counts[model] - 1
    assert found.route_value[0, 0] == -1
    assert len(lost) == 4
    assert "osc_1_level 1.5 clipped to [0.0, 1.0]" in lost
    assert "modulation_1_amount -3.0 clipped to [-1.0, 1.0]" in lost
    VITAL.validate(found)


def test_missing_settings_take_their_default(vital_json):
    for name in ("osc_1_level", "filter_1_model", "wavetables", "modulations", "delay_tempo"):
        del vital_json["settings"][name]
    found, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert lost == []
    assert_same(found, VITAL.default_parameters())


def test_what_the_numbers_cannot_hold_is_reported(vital_json):
    vital_json["settings"]["wavetables"][1] = table_json("Strange", np.sin(np.arange(2048.0))[None])
    route(vital_json, 1, "lfo_9", "osc_1_level", amount=1.0)
    route(vital_json, 2, "lfo_1", "osc_1_level", amount=1.0)
    vital_json["settings"]["modulations"][1]["line_mapping"] = {"points": [0.0, 1.0], "powers": [0.0]}
    found, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert lost == [
        "oscillator 2: wavetable 'Strange' is not in the catalog",
        "route lfo_9 -> osc_1_level: no such name",
        "route lfo_1 -> osc_1_level: remapped curve made straight",
    ]
    assert found.categorical[VITAL.position["osc_2_wavetable"]] == 0
    assert found.route_index[:2].tolist() == [-1, cell("lfo_1", "osc_1_level")]


@pytest.mark.parametrize(("amounts", "kept"), [((0.3, -0.6), 4), ((-0.6, 0.3), 2), ((0.5, 0.5), 2)])
def test_of_two_equal_routes_the_stronger_stays(vital_json, amounts, kept):
    route(vital_json, 2, "env_2", "filter_1_cutoff", amount=amounts[0], power=1.0)
    route(vital_json, 4, "env_2", "filter_1_cutoff", amount=amounts[1], power=2.0)
    route(vital_json, 5, "env_2", "filter_2_cutoff", amount=0.1)
    found, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert lost == ["route env_2 -> filter_1_cutoff: twice, the stronger one kept"]
    strongest = max(amounts, key=abs)
    np.testing.assert_array_equal(np.flatnonzero(found.route_index >= 0), [kept - 1, 4])
    np.testing.assert_allclose(found.route_value[kept - 1], [strongest, 0, kept / 2, 0])
    assert np.count_nonzero(found.route_value) == 3
    VITAL.validate(found)


def test_bypassed_routes_are_left_out(vital_json):
    route(vital_json, 1, "lfo_1", "osc_1_level", amount=0.5, bypass=1.0)
    route(vital_json, 2, "lfo_1", "osc_1_pan", amount=0.5, bypass=0.0)
    found, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert lost == []
    assert np.flatnonzero(found.route_index >= 0).tolist() == [1]


@pytest.mark.parametrize("value", [math.nan, math.inf, "loud", None, True, [1.0]])
@pytest.mark.parametrize("name", ["osc_1_level", "filter_1_model", "modulation_1_amount", "modulation_1_bypass"])
def test_a_value_that_is_no_number_is_named(vital_json, name, value):
    route(vital_json, 1, "lfo_1", "osc_1_level", amount=0.5)
    vital_json["settings"][name] = value
    with pytest.raises(ValueError, match=f"^{name} is .*; it must be a finite number"):
        to_parameters(json.loads(json.dumps(vital_json)), VITAL, CATALOG)


def test_a_route_name_of_another_type_is_reported(vital_json):
    route(vital_json, 1, ["lfo_1"], "osc_1_level", amount=0.5)
    _, lost = to_parameters(vital_json, VITAL, CATALOG)
    assert len(lost) == 1
    assert "no such name" in lost[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\x00\x01", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"settings": {"volume": ' + b"1" * 5000 + b"}}", "not JSON"),
        (b"[1, 2]", "no `settings` object"),
        (b'{"preset_name": "x"}', "no `settings` object"),
        (b'{"settings": [1]}', "no `settings` object"),
        (b'{"settings": {"wavetables": 5}}', "`wavetables` is no list of objects"),
        (b'{"settings": {"wavetables": ["saw"]}}', "`wavetables` is no list of objects"),
        (b'{"settings": {"modulations": {"a": 1}}}', "`modulations` is no list of objects"),
        (b'{"settings": {"modulations": null}}', "`modulations` is no list of objects"),
    ],
)
def test_a_file_that_is_no_preset_is_named(tmp_path, content, message):
    (tmp_path / "bad.vital").write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.vital: {message}"):
        read_preset(tmp_path / "bad.vital")


def test_a_file_too_large_is_not_even_read(tmp_path):
    with open(tmp_path / "huge.vital", "wb") as file:
        file.truncate(preset.MAX_BYTES + 1)  # takes no space
    with pytest.raises(ValueError, match=r"huge\.vital: 67108865 bytes is no Vital preset; the limit is 67108864"):
        read_preset(tmp_path / "huge.vital")


def test_written_files_read_back(tmp_path):
    made = from_parameters(any_parameters(3), VITAL, CATALOG, name="Häuser ♪")
    write_preset(tmp_path / "sound.vital", made)
    assert read_preset(tmp_path / "sound.vital") == made


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, vital_json):
    path = tmp_path / "sound.vital"
    write_preset(path, vital_json)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_preset(path, vital_json | {"author": object()})
    assert path.read_bytes() == before
    (tmp_path / "sound.vital.partial").write_text("left by a killed writer")
    write_preset(path, vital_json | {"author": "me"})
    assert read_preset(path)["author"] == "me"
    assert [entry.name for entry in tmp_path.iterdir()] == ["sound.vital"]


def test_a_new_file_never_shows_half_written(tmp_path, vital_json):
    """A reader that holds the old file open keeps reading the old one: the new one was put in its place."""
    path = tmp_path / "sound.vital"
    write_preset(path, vital_json)
    with open(path) as old:
        write_preset(path, {"settings": {}})
        assert json.load(old) == vital_json
    assert read_preset(path) == {"settings": {}}
