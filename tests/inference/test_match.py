"""The note, the tuning and the distance, with answers written by hand and played by the real engine."""

import dataclasses
import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.distances import is_silent, mss
from vjax.audio.pitch import detect_pitch
from vjax.inference.export import checkpoint_vocabulary, export_preset
from vjax.inference.match import DEFAULT_NOTE, MatchConfig, Matcher, render_config, transposed
from vjax.inference.predict import Answer, Predictor
from vjax.inference.stream import Failure
from vjax.vital import preset as vital_preset
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.vocabulary import from_parameters

RATE = 44100


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def pool(predictor):
    with RenderPool(render_config(predictor), workers=2) as pool:
        yield pool


@pytest.fixture(scope="module")
def match_of(predictor, pool):
    """`match_of(answer, target, **config)`: the match, or the failure, of one answer."""

    def match(answer, target, **config):
        matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, MatchConfig(**config))
        (found,) = matcher.matches([answer], lambda _: target, lambda _: "a preset")
        return found

    return match


@pytest.fixture(scope="module")
def saw(pool):
    """The init patch at note 48, [2, samples]."""
    return pool.render(RenderJob(vital_preset.init().to_json(), (48,))).audio[0]


def answer_with(schema, name="a sound", midi_note=None, **native):
    """The init patch but for the controls given, knobs in native units and menus as indices."""
    parameters = schema.default_parameters()
    for control, value in native.items():
        at = schema.position[control]
        if control in schema.continuous_names:
            parameters.continuous[at] = schema.continuous[at].to_norm(value)
        else:
            parameters.categorical[at] = value
    target = None if midi_note is None else parameters
    return Answer(name, parameters, (), target=target, midi_note=midi_note)


@pytest.mark.parametrize(
    ("off", "semitones"),
    [
        ({"voice_transpose": 7}, 7),
        ({"osc_1_transpose": -5}, -5),
        ({"voice_transpose": 12, "voice_tune": 0.4}, 12.4),
        ({"osc_1_tune": 0.5}, 0.5),
    ],
)
def test_a_preset_out_of_tune_is_tuned_to_the_sound(match_of, predictor, saw, off, semitones):
    match = match_of(answer_with(predictor.schema, **off), saw)
    assert (match.note, match.pitch.note) == (48, 48)
    assert match.tuned_semitones == pytest.approx(-semitones, abs=0.05)
    assert abs(detect_pitch(match.audio, RATE).midi - detect_pitch(saw, RATE).midi) < 0.3
    left = match_of(answer_with(predictor.schema, **off), saw, tune=False)
    assert left.tuned_semitones == 0
    assert detect_pitch(left.audio, RATE).midi - match.pitch.midi == pytest.approx(semitones, abs=0.05)
    assert match.mss_db < left.mss_db


def test_without_tuning_the_preset_is_the_answers(match_of, predictor, saw):
    answer = answer_with(predictor.schema, voice_transpose=7)
    match = match_of(answer, saw, tune=False)
    expected = export_preset(answer, predictor.schema, checkpoint_vocabulary(predictor), "a preset")
    assert match.preset.to_json() == expected.to_json()
    assert match.note == 48  # the pitch is heard all the same


def test_what_is_in_tune_is_left_alone(match_of, predictor, saw):
    match = match_of(answer_with(predictor.schema, voice_tune=0.2), saw)
    assert match.tuned_semitones == 0
    same = match_of(answer_with(predictor.schema), saw)  # but for rounding to float32
    assert same.mss_db == pytest.approx(0, abs=1e-4)


def test_what_transposing_does_not_help_is_left_alone(match_of, predictor, saw):
    """An oscillator that does not follow the keys does not follow the transposition either."""
    answer = answer_with(predictor.schema, osc_1_midi_track=0, osc_1_transpose=-20)
    match, untuned = match_of(answer, saw), match_of(answer, saw, tune=False)
    assert abs(detect_pitch(match.audio, RATE).midi - match.pitch.midi) > 2
    assert match.tuned_semitones == 0
    assert match.preset.to_json() == untuned.preset.to_json()


def test_a_sound_without_a_pitch_is_played_in_the_middle_and_not_tuned(match_of, predictor):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, predictor.samples)).astype(np.float32)
    match = match_of(answer_with(predictor.schema, voice_transpose=7), noise)
    assert match.note == DEFAULT_NOTE == 60
    assert match.pitch.confidence < 0.5
    assert match.tuned_semitones == 0
    assert match.mss_db > 1


def test_a_given_note_wins_over_the_one_that_is_heard(match_of, predictor, saw):
    match = match_of(answer_with(predictor.schema), saw, note=60)
    assert (match.note, match.pitch) == (60, None)
    assert match.tuned_semitones == pytest.approx(-12, abs=0.05)
    assert match_of(answer_with(predictor.schema), saw, note=60, tune=False).tuned_semitones == 0


def test_a_recording_that_goes_on_is_played_with_the_key_held(match_of, predictor, saw):
    config = render_config(predictor)
    sine = 0.3 * np.sin(2 * np.pi * 220 * np.arange(config.samples) / RATE)[None].astype(np.float32)
    held = match_of(answer_with(predictor.schema), sine)
    assert held.note_s == config.seconds
    end = round(0.97 * config.seconds * RATE)  # long after the init patch's release
    assert np.abs(held.audio[:, end:]).max() > 0.1 * np.abs(held.audio).max()
    assert match_of(answer_with(predictor.schema), saw).note_s == config.note_s  # it was let go
    row = match_of(answer_with(predictor.schema, midi_note=57), sine)
    assert row.note_s == config.note_s  # of a dataset's rows it is known
    assert np.abs(row.audio[:, end:]).max() < 0.1 * np.abs(row.audio).max()


@pytest.mark.parametrize("note", [-1, 128])
def test_a_note_off_the_keyboard_is_refused(note):
    with pytest.raises(ValueError, match=f"note {note} is no MIDI note"):
        MatchConfig(note=note)


def test_a_datasets_row_is_played_at_its_note_against_its_target(predictor, pool, engine_vocabulary):
    """The target is said in the dataset's words; an answer that is the target sounds the same to the last bit."""
    schema = predictor.schema
    answers = [answer_with(schema, name=f"row {note}", midi_note=note, osc_1_wavetable=1) for note in (43, 71)]
    for config in (MatchConfig(), MatchConfig(note=50), MatchConfig(tune=False)):
        matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, config)
        found = matcher.matches(
            answers, lambda answer, by=matcher: by.render_target(answer, schema, engine_vocabulary), lambda a: a.name
        )
        for match, note in zip(found, (43, 71), strict=True):
            assert (match.note, match.pitch) == (note, None)
            raw = from_parameters(match.answer.target, schema, engine_vocabulary)
            np.testing.assert_array_equal(match.target, pool.render(RenderJob(raw, (note,))).audio[0])
            np.testing.assert_array_equal(match.audio, match.target)
            assert match.mss_db == 0
    with pytest.raises(ValueError, match="a sound has no target parameters"):
        matcher.render_target(answer_with(schema), schema, engine_vocabulary)


def test_mono_short_and_long_targets(match_of, predictor, saw):
    answer = answer_with(predictor.schema, voice_transpose=7, osc_1_wavetable=1)
    mono = saw.mean(0, keepdims=True)
    match = match_of(answer, mono)
    assert (match.note, match.target.shape) == (48, mono.shape)
    assert match.tuned_semitones == pytest.approx(-7, abs=0.05)
    assert match.mss_db == pytest.approx(float(mss(match.audio, np.repeat(mono, 2, 0), RATE)), rel=1e-4)
    short = match_of(answer, saw[:, :9000])
    padded = np.pad(saw[:, :9000], ((0, 0), (0, saw.shape[1] - 9000)))
    assert short.mss_db == pytest.approx(float(mss(short.audio, padded, RATE)), rel=1e-4)
    longer = match_of(answer, np.pad(saw, ((0, 0), (0, 9000))))
    assert longer.mss_db == pytest.approx(float(mss(longer.audio, saw, RATE)), rel=1e-4)


def test_what_cannot_be_heard_has_no_distance_and_is_not_tuned(match_of, predictor, saw):
    match = match_of(answer_with(predictor.schema, osc_1_on=0), saw)
    assert math.isnan(match.mss_db)
    assert match.tuned_semitones == 0
    # Under -90 dBFS there is a clear pitch still, for a tracker.
    faint = match_of(answer_with(predictor.schema, voice_transpose=7, volume=400, osc_1_level=0.05), saw)
    assert is_silent(faint.audio)
    assert detect_pitch(faint.audio, RATE).confidence > 0.5
    assert math.isnan(faint.mss_db)
    assert faint.tuned_semitones == 0


def test_the_rows_around_a_distance(match_of, predictor, pool, saw):
    matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, MatchConfig())
    rows = matcher.rows(match_of(answer_with(predictor.schema), saw))
    assert rows["init_db"] == pytest.approx(0, abs=1e-4)
    assert rows["floor_db"] > 0.05, "the init patch has random phases"
    fixed = matcher.rows(match_of(answer_with(predictor.schema, osc_1_random_phase=0), saw))
    assert fixed["floor_db"] == pytest.approx(0, abs=1e-3)
    assert fixed["init_db"] == rows["init_db"]


def test_order_is_kept_and_failures_stand_in_their_place(predictor, pool, saw):
    schema = predictor.schema
    answers = [answer_with(schema, name=f"{i}.wav", voice_transpose=i) for i in range(7)]
    answers[2] = Failure("2.wav", "2.wav is silent")

    def target(answer):
        time.sleep(0.4 if answer.name == "0.wav" else 0)  # the first is done last
        if answer.name == "4.wav":
            raise FileNotFoundError("no sound file at 4.wav")
        if answer.name == "5.wav":
            raise ValueError("half of it is missing")
        return saw

    matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, MatchConfig())
    found = list(matcher.matches(answers, target, lambda answer: answer.name))
    assert [one.name for one in found] == [f"{i}.wav" for i in range(7)]
    assert [type(one) is Failure for one in found] == [False, False, True, False, True, True, False]
    assert found[2] is answers[2]
    assert [found[i].error for i in (4, 5)] == ["no sound file at 4.wav", "5.wav: half of it is missing"]
    for i in (0, 1, 3, 6):
        assert found[i].tuned_semitones == pytest.approx(-i, abs=0.05)
        assert found[i].preset.name == f"{i}.wav"


def test_answers_are_taken_only_a_little_ahead(predictor, pool, saw):
    taken = []

    def endless():
        while True:
            taken.append(answer_with(predictor.schema))
            yield taken[-1]

    matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, MatchConfig(note=48, tune=False))
    matches = matcher.matches(endless(), lambda _: saw, lambda _: "")
    for _ in range(3):
        next(matches)
    assert len(taken) <= 3 + 2 * pool.workers + 1
    matches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vjax-match")]


def test_what_the_engine_cannot_play_is_a_failure(predictor, saw):
    hurried = dataclasses.replace(render_config(predictor), timeout_s=1e-4)
    with RenderPool(hurried, workers=1) as pool:
        matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, MatchConfig())
        (failure,) = matcher.matches([answer_with(predictor.schema)], lambda _: saw, lambda _: "")
    assert isinstance(failure, Failure)
    assert failure.error.startswith("a sound: the engine could not play the preset at note 48: hung")


def test_how_answers_are_played(predictor):
    assert render_config(predictor) == RenderConfig(seconds=0.4, note_s=0.3)
    untold = render_config(dataclasses.replace(predictor, render=None))
    assert untold.samples == predictor.samples
    assert 0 < untold.note_s < untold.seconds


@settings(deadline=None, max_examples=200)
@given(
    transpose=st.integers(-48, 48),
    tune=st.floats(-1, 1),
    semitones=st.floats(-150, 150),
)
def test_transposing_moves_two_knobs_within_their_ranges(transpose, tune, semitones):
    controls = vital_preset.controls()
    at = [controls.position[name] for name in ("voice_transpose", "voice_tune")]
    knobs = [controls.continuous[i] for i in at]
    preset = vital_preset.init()
    continuous = preset.continuous.copy()
    continuous[at] = [knob.to_norm(value) for knob, value in zip(knobs, (transpose, tune), strict=True)]
    found, shift = transposed(dataclasses.replace(preset, continuous=continuous), semitones)

    others = np.delete(np.arange(len(continuous)), at)
    np.testing.assert_array_equal(found.continuous[others], continuous[others])
    whole, rest = controls.minimum[at] + found.continuous[at] * controls.span[at]
    assert whole == pytest.approx(round(whole), abs=1e-9)
    assert knobs[0].minimum - 1e-9 <= whole <= knobs[0].maximum + 1e-9
    assert knobs[1].minimum - 1e-9 <= rest <= knobs[1].maximum + 1e-9
    assert whole + rest - (transpose + tune) == pytest.approx(shift, abs=1e-6)
    wanted = transpose + tune + semitones
    if abs(wanted) <= 48:
        assert shift == pytest.approx(semitones, abs=1e-6)
        assert abs(rest) <= 0.5 + 1e-9
    else:
        assert whole == pytest.approx(math.copysign(48, wanted), abs=1e-9)
    written = found.to_json()["settings"]  # which checks every control's range
    assert written["voice_transpose"] == round(whole)
