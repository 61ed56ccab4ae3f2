"""Tests of reading broken preset files: one error names the file, and accepted presets do not crash the engine."""

import copy
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, read_preset
from vjax.vital.preset_json import read_json

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))


@pytest.fixture
def vital_json() -> dict:
    return copy.deepcopy(synth.init_preset())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "loud", None, [1.0], {}])
@pytest.mark.parametrize("name", ["osc_1_level", "filter_1_model", "modulation_1_amount", "view_spectrogram"])
def test_from_json_with_a_value_that_is_not_a_number_names_it(vital_json, name, value):
    vital_json["settings"]["modulations"][0] = {"source": "lfo_1", "destination": "osc_1_level"}
    vital_json["settings"][name] = value
    with pytest.raises(ValueError, match=rf"^(preset\.settings\.)?{name} is .*; it must be a finite number$"):
        Preset.from_json(json.loads(json.dumps(vital_json)))


GONE = object()
KEYFRAME = ("wavetables", 1, "groups", 0, "components", 0, "keyframes", 0)


def changed(vital_json: dict, path: tuple, value) -> dict:
    inner = vital_json
    for step in path[:-1]:
        inner = inner[step]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return vital_json


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("settings",), GONE, "no `settings` object, so not a Vital preset"),
        (("settings",), [1], "no `settings` object"),
        (
            ("synth_version",),
            "0.3.0",
            r"synth_version is 0\.3\.0, before 1\.0, .* could not convert it .*; open the preset",
        ),
        (("synth_version",), "new", r"synth_version is 'new'; expected a version such as '1\.5\.5'"),
        (("synth_version",), ["1.5.5"], r"synth_version is .*; expected a version"),
        (("synth_version",), "9" * 5000 + ".1", r"synth_version is '9{40}'; expected a version"),
        (("author",), [[[[[[[[[[[[[[]]]]]]]]]]]]]], "nests deeper than 12 levels"),
        (("author",), "\ud800", r"preset\.author is '\\ud800'; expected text without lone surrogates"),
        (("settings", "wavetables"), 5, "`wavetables` is not a list of objects"),
        (("settings", "wavetables"), [{}] * 4, "`wavetables` has 4 entries; Vital has 3"),
        (("settings", "wavetables", 0), "saw", "`wavetables` is not a list of objects"),
        (("settings", "lfos"), [{}] * 9, "`lfos` has 9 entries; Vital has 8"),
        (("settings", "modulations"), {"a": 1}, "`modulations` is not a list of objects"),
        (("settings", "modulations"), [{"source": "lfo_1"}] * 65, "`modulations` has 65 entries; Vital has 64"),
        (("settings", "sample"), GONE, "sample is None; it must be an object"),
        (("settings", *KEYFRAME, "position"), 1e6, r"wavetable 2.*keyframes\[0\] is at position 1000000"),
        (("settings", *KEYFRAME, "position"), math.nan, r"wavetables\[1\].*\.position is nan; it must be a finite"),
        (("settings", *KEYFRAME, "wave_data"), "AAAA", r"wavetable 2.*wave_data has 3 bytes; a cycle has 8192"),
        (("settings", *KEYFRAME, "wave_data"), "()", "wavetable 2.*wave_data is not base64 text"),
        (("settings", *KEYFRAME[:-2], "type"), "Saw", "wavetable 2.*is of type 'Saw'; expected one of"),
        (("settings", "lfos", 7, "powers"), [0.0], "LFO 8 declares 3 points and has 6 coordinates and 1 powers"),
        (("settings", "lfos", 7, "points", 1), math.inf, r"lfos\[7\]\.points\[1\] is inf; it must be a finite number"),
        (("settings", "sample", "length"), 10**6, r"sample\.samples has 88200 bytes; 1000000 samples"),
        (
            ("settings", "modulations", 2),
            {"source": "lfo_1", "destination": "osc_1_pan", "line_mapping": {"num_points": 2}},
            r"the curve of route lfo_1 -> osc_1_pan\.points is None; it must be a list",
        ),
    ],
)
def test_read_preset_of_a_broken_file_raises_one_line_with_its_name(tmp_path, vital_json, path, value, message):
    (tmp_path / "bad.vital").write_text(json.dumps(changed(vital_json, path, value)))
    with pytest.raises(ValueError, match=rf"bad\.vital: .*{message}") as caught:
        read_preset(tmp_path / "bad.vital")
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\x00\x01", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"settings":' * 100_000, "not JSON"),
        (b'{"settings": {"volume": ' + b"1" * 5000 + b"}}", "not JSON"),
        (b"[1, 2]", "no `settings` object"),
        (b"null", "no `settings` object"),
        (b'{"preset_name": "x"}', "no `settings` object"),
        (b'{"settings": {}}', "`settings` has none of modulations, wavetables, lfos, so not a Vital preset"),
    ],
)
@pytest.mark.parametrize("read", [read_json, read_preset])
def test_read_json_and_read_preset_of_another_file_name_it(tmp_path, content, message, read):
    (tmp_path / "bad.vital").write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.vital: {message}"):
        read(tmp_path / "bad.vital")


def test_read_preset_of_a_too_large_file_raises_without_reading(tmp_path):
    with open(tmp_path / "huge.vital", "wb") as file:
        file.truncate(100 * 2**20)  # takes no space
    with pytest.raises(ValueError, match=r"huge\.vital: 104857600 bytes; expected a Vital preset of at most 67108864"):
        read_preset(tmp_path / "huge.vital")


FILES = [path.read_bytes() for path in PRESETS]
JUNK = [None, True, False, 0, -1, 1, 0.5, 2048, 65, 1e6, 1e308, -1e308, 10**30, 10**400, math.nan, math.inf, -0.0]
JUNK += ["", "x", "é", "\ud800", "AAAA", [], {}, [[]], [{}], {"a": 1}, [1, 2], [None], [0.0] * 300, "1.0.0", [[[]] * 9]]
PARTS = ("wavetables", "lfos", "modulations", "sample")


def mutated(raw: dict, rng: random.Random) -> dict:
    """`raw` with up to four values deleted, doubled or replaced by junk; mostly in its structured parts."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        inner = raw
        while isinstance(inner, dict | list) and inner:
            key = rng.choice(sorted(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
            if inner is raw and "settings" in raw and rng.random() < 0.8:
                key = "settings"
            elif isinstance(inner, dict) and any(part in inner for part in PARTS) and rng.random() < 0.7:
                key = rng.choice([part for part in PARTS if part in inner])
            value = inner[key]
            if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
                change = rng.random()
                if change < 0.25:
                    del inner[key]
                elif change < 0.4 and isinstance(inner, list):
                    inner.insert(key, copy.deepcopy(value))
                else:
                    inner[key] = copy.deepcopy(rng.choice(JUNK))
                break
            inner = value
    return raw


def read_or_reject(path: Path, content: bytes) -> Preset | None:
    """The preset, or None after a one-line ValueError that names the file. Any other outcome fails the test."""
    path.write_bytes(content)
    try:
        return read_preset(path)
    except ValueError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert len(message) < 1000
    return None


def assert_valid(one: Preset) -> None:
    """An accepted preset is written as strict JSON that the engine accepts, and is equal when read again."""
    text = json.dumps(one.to_json(), allow_nan=False)
    synth.validate_preset(json.loads(text))
    again = Preset.from_json(json.loads(text))
    assert again.to_json() == one.to_json()
    assert all(len(note) < 200 for note in one.notes)


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False), st.sampled_from(range(len(FILES))))
def test_read_preset_of_mutated_json_reads_or_raises(tmp_path_factory, rng, i):
    one = read_or_reject(
        tmp_path_factory.getbasetemp() / "fuzz.vital", json.dumps(mutated(json.loads(FILES[i]), rng)).encode()
    )
    if one is not None:
        assert_valid(one)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(range(len(FILES))),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=6),
    st.floats(0, 1) | st.just(1.0),
)
def test_read_preset_of_patched_bytes_reads_or_raises(tmp_path_factory, i, patches, end):
    content = bytearray(FILES[i])
    for share, patch in patches:
        start = int(share * len(content))
        content[start : start + len(patch)] = patch
    one = read_or_reject(tmp_path_factory.getbasetemp() / "fuzz.vital", bytes(content[: int(end * len(content))]))
    if one is not None:
        assert_valid(one)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=50)
@given(ANY_JSON)
def test_from_json_of_any_json_raises(value):
    for raw in (value, {"settings": value}):
        with pytest.raises(
            ValueError, match=r"so not a Vital preset|it must be a finite number|nests deeper|surrogate"
        ):
            Preset.from_json(raw)


@settings(deadline=None, max_examples=30)
@given(ANY_JSON, st.sampled_from(["author", "preset_name", "macro1", "tags", "comments"]))
def test_from_json_with_any_json_as_a_text_reads_or_raises(value, key):
    try:
        one = Preset.from_json({**synth.init_preset(), key: value})
    except ValueError:
        return
    assert_valid(one)


@pytest.mark.parametrize("n", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_read_preset_of_mutated_files_does_not_crash_the_engine(tmp_path, n):
    """Mutated presets that were accepted: each plays or is rejected; none crashes or hangs its process."""
    rng, accepted = random.Random(3), []
    while len(accepted) < n:
        raw = mutated(json.loads(rng.choice(FILES)), rng)
        one = read_or_reject(tmp_path / "fuzz.vital", json.dumps(raw).encode())
        if one is not None:
            assert_valid(one)
            accepted.append(one)
    config = RenderConfig(seconds=0.1, note_s=0.1, timeout_s=20)
    with RenderPool(config, workers=2) as pool:
        renderings = list(pool.map(RenderJob(one.to_json(), (48,)) for one in accepted))
    broken = [one.error for one in renderings if one.audio is None and not one.error.startswith("invalid: ")]
    assert not broken
    played = [one.audio for one in renderings if one.audio is not None]
    assert len(played) >= 3 / 4 * n
    assert all(np.isfinite(audio).all() for audio in played)
