"""Tests of vjax.vital.checks: musicians' files pass, and errors name each part that the engine cannot use."""

import base64
import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.checks import COMPONENTS, MAX_POINTS, check_curve, check_json, check_sample, check_table
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.wavetables import table_json

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
GONE = object()  # instead of a value: delete the key


def changed(part, path: tuple, value):
    """A copy of a JSON value with something else at a path."""
    part = copy.deepcopy(part)
    inner = part
    for step in path[:-1]:
        inner = inner[step]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return part


def base64_of(array) -> str:
    return base64.b64encode(np.asarray(array).tobytes()).decode("ascii")


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_checks_accept_musicians_presets(path):
    raw = json.loads(path.read_bytes())
    check_json(raw, "preset")
    for table in raw["settings"]["wavetables"]:
        check_table(table)
    for shape in raw["settings"]["lfos"]:
        check_curve(shape, "LFO")
    check_sample(raw["settings"]["sample"])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_check_json_with_a_non_finite_number_at_any_depth_names_it(number):
    check_json({"a": [{"b": 1.0}]}, "preset")
    with pytest.raises(ValueError, match=rf"^preset\.a\[1\]\.b is {number}; it must be a finite number$"):
        check_json({"a": [0, {"b": number}]}, "preset")


def test_check_json_nested_deeper_than_12_levels_raises():
    deep = 0
    for _ in range(12):
        deep = [deep]
    check_json(deep, "preset")
    with pytest.raises(ValueError, match="nests deeper than 12 levels; expected at most 12"):
        check_json([deep], "preset")


@pytest.mark.parametrize("value", [["a\ud800"], {"\udfff": 1}])
def test_check_json_with_a_lone_surrogate_raises(value):
    """JSON allows it, but it cannot be printed, and the engine cannot read it."""
    check_json(["ä♪𝄞"], "preset")
    with pytest.raises(ValueError, match=r"^(a name in )?preset.*; expected text without lone surrogates$"):
        check_json(value, "preset")


FRAMES = np.sin(2 * np.pi * np.arange(2048) / 2048)[None].repeat(2, 0)
TABLE = table_json("Sine", FRAMES)
COMPONENT = ("groups", 0, "components", 0)
KEYFRAME = (*COMPONENT, "keyframes", 1)
BENT = np.where(np.arange(2048) == 7, np.nan, FRAMES[0]).astype("<f4")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("groups",), GONE, r"wavetable\.groups is None; it must be a list"),
        (("groups",), [], "wavetable has no components"),
        (("groups", 0), "saw", r"wavetable\.groups\[0\] is 'saw'; it must be an object"),
        (("groups", 0, "components"), {}, "wavetable is {}; it must be a list"),
        (("groups", 0, "components"), [], "wavetable has no components"),
        (COMPONENT, 5, r"components\[0\] is 5; it must be an object"),
        ((*COMPONENT, "type"), "No Such Source", "is of type 'No Such Source'; expected one of"),
        ((*COMPONENT, "type"), ["Wave Source"], r"is of type \['Wave Source'\]; expected one of"),
        ((*COMPONENT, "type"), GONE, "is of type None; expected one of"),
        ((*COMPONENT, "keyframes"), "none", "keyframes is 'none'; it must be a list"),
        (KEYFRAME, None, r"keyframes\[1\] is None; it must be an object"),
        (
            (*KEYFRAME, "position"),
            1e6,
            r"keyframes\[1\] is at position 1000000\.0; Vital's positions run from 0 to 256",
        ),
        (
            (*KEYFRAME, "position"),
            1025,
            r"keyframes\[1\] is at position 1025; .* from -1024 to 1024 they can be played",
        ),
        ((*KEYFRAME, "position"), -1025, r"keyframes\[1\] is at position -1025; Vital's"),
        ((*KEYFRAME, "position"), 10**400, r"keyframes\[1\]\.position is 1000\d*\.\.\.; it must be a finite number"),
        ((*KEYFRAME, "position"), True, "position is True; it must be a finite number"),
        ((*KEYFRAME, "position"), GONE, "position is None; it must be a finite number"),
        ((*KEYFRAME, "wave_data"), GONE, "wave_data is None; it must be text"),
        ((*KEYFRAME, "wave_data"), "!" + base64_of(FRAMES[0].astype("<f4")), "wave_data is not base64 text"),
        ((*KEYFRAME, "wave_data"), "ä" * 10923, "wave_data is not base64 text"),
        ((*KEYFRAME, "wave_data"), base64_of(FRAMES[0]), "wave_data has 16384 bytes; a cycle has 8192"),
        ((*KEYFRAME, "wave_data"), "", "wave_data has 0 bytes; a cycle has 8192"),
        ((*KEYFRAME, "wave_data"), base64_of(BENT), "wave_data contains NaN or infinity"),
        (("name",), 5, r"wavetable\.name is 5; it must be text"),
        (("author",), None, r"wavetable\.author is None; it must be text"),
        (("full_normalize",), 1.0, r"wavetable\.full_normalize is 1\.0; it must be true or false"),
        (("remove_all_dc",), "yes", r"wavetable\.remove_all_dc is 'yes'; it must be true or false"),
    ],
)
def test_check_table_with_an_invalid_part_names_it(path, value, message):
    check_table(TABLE)
    with pytest.raises(ValueError, match=message):
        check_table(changed(TABLE, path, value))


@pytest.mark.parametrize("table", [None, [], "saw"])
def test_check_table_of_another_type_raises(table):
    with pytest.raises(ValueError, match=r"^oscillator 2 is .*; it must be an object$"):
        check_table(table, "oscillator 2")


def with_component(component) -> dict:
    return changed(TABLE, COMPONENT, component)


def test_check_table_checks_line_and_audio_sources():
    line = {"type": "Line Source", "keyframes": [{"position": 0, "line": shape_json("Line", [(0, 0), (1, 1)])}]}
    audio = {"type": "Audio File Source", "keyframes": [], "audio_file": base64_of(np.zeros(2048, "<i2"))}
    for component in (line, audio, {"type": "Line Source"}, {"type": "Line Source", "keyframes": None}):
        check_table(with_component(component))
    for component, message in (
        ({**line, "keyframes": [{"position": 0}]}, r"keyframes\[0\]\.line is None; it must be an object"),
        ({**audio, "audio_file": "RIFF!"}, "audio_file is not base64 text"),
        ({"type": "Audio File Source", "keyframes": []}, "audio_file is None; it must be text"),
    ):
        with pytest.raises(ValueError, match=message):
            check_table(with_component(component))


# Settings that some components need. Each component reads its own.
SETTINGS = {
    "horizontal_asymmetric": False,
    "interpolation": 1,
    "interpolation_style": 1,
    "normalize": True,
    "num_points": 4,
    "style": 0,
    "vertical_asymmetric": False,
    "window_shape": 0,
}


@pytest.mark.slow
def test_components_can_all_be_played_by_the_engine():
    """A component of an unknown type would crash it. Each of these plays, next to a sine."""
    kinds = sorted(COMPONENTS - {"Wave Source", "Audio File Source"})
    jobs = []
    for kind in kinds:
        made = copy.deepcopy(synth.init_preset())
        table = copy.deepcopy(TABLE)
        table["groups"][0]["components"].append({"type": kind, "keyframes": [], **SETTINGS})
        check_table(table)
        made["settings"]["wavetables"] = [table] * 3
        jobs.append(RenderJob(made, (48,)))
    with RenderPool(RenderConfig(seconds=0.1, note_s=0.1), workers=2) as pool:
        errors = {kind: rendering.error for kind, rendering in zip(kinds, pool.map(jobs), strict=True)}
    assert errors == dict.fromkeys(kinds, "")


CURVE = shape_json("Curve", [(0, 0), (0.5, 1), (1, 0)])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("num_points",), GONE, r"LFO 3\.num_points is None; it must be a finite number"),
        (("num_points",), 4, "LFO 3 declares 4 points and has 6 coordinates and 3 powers"),
        (("num_points",), 1, r"declares 1 points .* n points \(2 to 100\) need 2 n and n"),
        (("num_points",), 2.5, r"declares 2\.5 points"),
        (("num_points",), 10**400, r"num_points is 1000\d*\.\.\.; it must be a finite number"),
        (("points",), "0101", r"LFO 3\.points is '0101'; it must be a list"),
        (("points",), [0.0, 1.0], "declares 3 points and has 2 coordinates and 3 powers"),
        (("points", 3), "1", "LFO 3, number 3 is '1'; it must be a finite number"),
        (("points", 2), 10.5, r"LFO 3\.points\[2\] is 10\.5; Vital's .* from -10 to 10 they can be played"),
        (("points", 0), -1e9, r"LFO 3\.points\[0\] is -1000000000\.0; Vital's coordinates"),
        (("powers",), [0.0, 0.0], "declares 3 points and has 6 coordinates and 2 powers"),
        (("powers",), None, r"LFO 3\.powers is None; it must be a list"),
        (("powers", 1), math.nan, "LFO 3, number 7 is nan; it must be a finite number"),
        (("smooth",), 1, r"LFO 3\.smooth is 1; it must be true or false"),
        (("name",), ["Saw"], r"LFO 3\.name is \['Saw'\]; it must be text"),
    ],
)
def test_check_curve_with_an_invalid_part_names_it(path, value, message):
    check_curve(CURVE, "LFO 3")
    with pytest.raises(ValueError, match=message):
        check_curve(changed(CURVE, path, value), "LFO 3")


def test_check_curve_allows_100_points_and_rounding_errors():
    check_curve(shape_json("Most", [(i / 99, 0.5) for i in range(MAX_POINTS)]), "LFO")
    check_curve(shape_json("Rounded", [(0, 1 + 1e-4), (1 + 1e-4, 0)]), "LFO")
    with pytest.raises(ValueError, match=r"LFO declares 101 points .* \(2 to 100\)"):
        check_curve(shape_json("Too many", [(i / 100, 0.5) for i in range(101)]), "LFO")


SAMPLE = {"name": "Noise", "length": 100, "sample_rate": 44100, "samples": base64_of(np.zeros(100, "<i2"))}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("length",), GONE, r"sample\.length is None; it must be a finite number"),
        (("length",), 101, r"sample\.samples has 200 bytes; 101 samples of 16 bits need 202"),
        (("length",), 0, "sample has length 0 at 44100 Hz; it needs at least one sample at 1 to 400 kHz"),
        (("length",), 10**400, r"sample\.length is 1000\d*\.\.\.; it must be a finite number"),
        (("sample_rate",), 0, "sample has length 100 at 0 Hz"),
        (("sample_rate",), "fast", r"sample\.sample_rate is 'fast'; it must be a finite number"),
        (("samples",), GONE, r"sample\.samples is None; it must be text"),
        (("samples",), "()", r"sample\.samples is not base64 text"),
        (("samples_stereo",), base64_of(np.zeros(50, "<i2")), r"sample\.samples_stereo has 100 bytes; 100 samples"),
        (("name",), {}, r"sample\.name is {}; it must be text"),
    ],
)
def test_check_sample_with_an_invalid_part_names_it(path, value, message):
    check_sample(SAMPLE)
    check_sample({**SAMPLE, "samples_stereo": SAMPLE["samples"]})
    with pytest.raises(ValueError, match=message):
        check_sample(changed(SAMPLE, path, value))


def test_check_curve_of_a_huge_value_has_a_short_message():
    for value in ("x" * 10**6, list(range(10**5)), 10**4000):
        with pytest.raises(ValueError, match="LFO") as caught:
            check_curve({**CURVE, "smooth": value}, "LFO")
        assert len(str(caught.value)) < 120
