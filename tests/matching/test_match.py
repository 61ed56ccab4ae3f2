"""Tests of a match with the real engine: note, tuning, level, candidates and metrics."""

import dataclasses
import json
import math
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

import vjax.matching.prepare
from vjax.audio.clip import Clip, load_clip, make_clip
from vjax.audio.distances import mss
from vjax.audio.pitch import detect_pitch
from vjax.candidates.predicted import PREDICTION
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig
from vjax.candidates.sound_bank import Images, SoundBank, index_mel
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor, render_config
from vjax.inference.presets import export_preset
from vjax.matching.config import DEFAULT, DEFAULT_NOTE, PREDICTION_ONLY, MatchConfig
from vjax.matching.finish import FULL_SCALE
from vjax.matching.match import match
from vjax.matching.preferred import FAR_DB
from vjax.search.candidate import Candidate, Kind
from vjax.search.refine_config import RefineConfig
from vjax.search.strategy import StrategyConfig
from vjax.vital import preset as vital_preset
from vjax.vital.preset import read_preset
from vjax.vital.preset_json import read_json
from vjax.vital.values import with_values
from vjax.vital.wavetables import FRAME, table_json

RATE = 44100
QUICK = WavetableFitConfig(frames=9, steps=3)


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def pool(predictor):
    with RenderPool(render_config(predictor), workers=2) as pool:
        yield pool


@pytest.fixture(scope="module")
def saw(pool):
    """The init patch at note 48, [2, samples]."""
    return pool.render(RenderJob(vital_preset.init().to_json(), (48,))).audio[0]


def clip_of(audio, name="a sound"):
    return Clip(name, "a preset", audio, RATE, audio[:, :0])


@pytest.fixture(scope="module")
def matched(predictor, pool):
    """`matched(audio, prediction, **config)`: a match in which the predicted preset is the only candidate."""

    def make(audio, prediction=None, **config):
        match_config = dataclasses.replace(PREDICTION_ONLY, **config)
        return match(clip_of(audio), predictor, pool, match_config, prediction=prediction)

    return make


def predicted(schema, **native):
    """A prediction of the init patch with other values of some controls: knobs in native units, menus as indices."""
    parameters = schema.default_parameters()
    for control, value in native.items():
        position = schema.position[control]
        if control in schema.continuous_names:
            parameters.continuous[position] = schema.continuous[position].to_norm(value)
        else:
            parameters.categorical[position] = value
    return PredictedPreset("a sound", parameters, ())


@pytest.mark.parametrize(
    ("off", "semitones"),
    [
        ({"voice_transpose": 7}, 7),
        pytest.param({"osc_1_transpose": -5}, -5, marks=pytest.mark.slow),
        pytest.param({"voice_transpose": 12, "voice_tune": 0.4}, 12.4, marks=pytest.mark.slow),
        pytest.param({"osc_1_tune": 0.5}, 0.5, marks=pytest.mark.slow),
    ],
)
def test_match_with_a_preset_out_of_tune_transposes_it(matched, predictor, saw, off, semitones):
    result = matched(saw, predicted(predictor.schema, **off))
    assert (result.note, result.pitch.note) == (48, 48)
    assert result.predicted.tuned_semitones == pytest.approx(-semitones, abs=0.05)
    assert abs(result.pitch_error_cents) < 30
    untuned = matched(saw, predicted(predictor.schema, **off), tune=False)
    assert untuned.predicted.tuned_semitones == 0
    assert untuned.plays.midi - untuned.pitch.midi == pytest.approx(semitones, abs=0.05)
    assert result.mss_db < untuned.mss_db


def test_match_of_an_inverted_channel_warns_and_has_all_metrics(predictor, pool, saw):
    clip = make_clip(saw[:1] * np.array([[1], [-0.98]], np.float32), RATE, saw.shape[1], "a sound")
    result = match(clip, predictor, pool, PREDICTION_ONLY, prediction=predicted(predictor.schema))
    assert any("channels of the sound cancel each other" in warning for warning in result.warnings)
    assert np.isfinite(list(result.metrics.values())).all()
    assert result.metrics["rms_cosine"] > 0.9


def test_match_with_a_preset_in_tune_does_not_transpose(matched, predictor, saw):
    assert matched(saw, predicted(predictor.schema, voice_tune=0.2)).predicted.tuned_semitones == 0


def test_match_with_an_oscillator_without_key_tracking_does_not_transpose(matched, predictor, saw):
    """An oscillator that does not follow the keys does not follow the transposition either."""
    off = predicted(predictor.schema, osc_1_midi_track=0, osc_1_transpose=-20)
    result, untuned = matched(saw, off), matched(saw, off, tune=False)
    assert abs(result.plays.midi - result.pitch.midi) > 2
    assert result.predicted.tuned_semitones == 0
    assert result.candidates[0].wrong_note
    assert f"the preset plays {result.plays.name} where the sound has C3" in result.warnings
    assert not any("where the sound has" in warning for warning in untuned.warnings)  # tuning is off
    np.testing.assert_array_equal(result.preset.continuous, untuned.preset.continuous)


def test_match_of_noise_uses_the_default_note_with_a_warning_and_does_not_transpose(matched, predictor):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, predictor.samples)).astype(np.float32)
    result = matched(noise, predicted(predictor.schema, voice_transpose=7))
    assert result.note == DEFAULT_NOTE == 60
    assert "no clear pitch, so C4 is assumed" in result.warnings[0]
    assert not result.pitch.clear
    assert result.predicted.tuned_semitones == 0
    assert math.isnan(result.pitch_error_cents)


def test_match_with_a_note_renders_at_it_and_transposes_to_the_sound(matched, predictor, saw):
    result = matched(saw, predicted(predictor.schema), note=60)
    assert (result.note, result.note_given) == (60, True)
    assert result.predicted.tuned_semitones == pytest.approx(-12, abs=0.05)


def test_match_of_a_sustained_sound_estimates_the_clip_length_as_note_length(matched, predictor, saw):
    config = render_config(predictor)
    sine = 0.3 * np.sin(2 * np.pi * 220 * np.arange(config.samples) / RATE)[None].astype(np.float32)
    result = matched(sine, predicted(predictor.schema))
    assert result.note_s == config.seconds
    end = round(0.97 * config.seconds * RATE)  # long after the init patch's release
    assert np.abs(result.audio[:, end:]).max() > 0.1 * np.abs(result.audio).max()
    assert matched(saw, predicted(predictor.schema)).note_s == config.note_s  # the sound ends
    given = matched(sine, predicted(predictor.schema), note_s=config.note_s)
    assert np.abs(given.audio[:, end:]).max() < 0.1 * np.abs(given.audio).max()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"note": -1}, "note=-1; expected a MIDI note from 0 to 127"),
        ({"note": 128}, "note=128; expected a MIDI note"),
        ({"note_s": 0.0}, "note_s=0.0; expected a time above 0 s"),
        ({"variants": -1}, "variants=-1; expected 0 or more"),
    ],
)
def test_match_config_with_a_value_out_of_range_raises(config, message):
    with pytest.raises(ValueError, match=message):
        MatchConfig(**config)


def test_match_with_a_silent_preset_warns_and_has_no_distance(matched, predictor, saw):
    result = matched(saw, predicted(predictor.schema, osc_1_on=0))
    assert result.silent
    assert math.isnan(result.mss_db)
    assert result.warnings == (f"no candidate is audible; {PREDICTION!r} is written: silent at note 48",)
    assert json.loads(json.dumps(result.as_json(), allow_nan=False))["preset"]["metrics"]["mss"] is None


def test_match_with_a_search_from_a_silent_candidate_raises(matched, predictor, saw):
    with pytest.raises(ValueError, match="all 1 candidates are silent or failed at note 48"):
        matched(saw, predicted(predictor.schema, osc_1_on=0), refine=RefineConfig(evals=5))


def test_match_with_a_preset_that_times_out_keeps_the_error(predictor, saw):
    hurried = dataclasses.replace(render_config(predictor), timeout_s=1e-4)
    with RenderPool(hurried, workers=1) as pool:
        result = match(clip_of(saw), predictor, pool, PREDICTION_ONLY, prediction=predicted(predictor.schema))
    assert result.candidates[0].error.startswith("hung")
    assert result.predicted.audio is None
    assert "hung" in result.warnings[0]


@pytest.mark.slow
def test_match_with_an_engine_that_cannot_start_raises_os_error(predictor, saw, tmp_path, monkeypatch):
    """The path of a socket is too long, and no other can be written. No candidate is silent, and no file is written."""
    code = """
import os, sys, vjax
os.access = lambda *_: False
vjax.match(sys.argv[1], note=48, patch=False, resynthesis=False).save(sys.argv[2])
"""
    soundfile.write(tmp_path / "saw.wav", saw.T, RATE)
    (tmp_path / ("t" * 120)).mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / ("t" * 120))}
    command = [sys.executable, "-c", code, tmp_path / "saw.wav", tmp_path / "x.vital"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    assert "OSError: the engine cannot run on this machine: its process could not be started: AF_UNIX" in result.stderr
    assert "Set TMPDIR to a short path" in result.stderr
    assert not (tmp_path / "x.vital").exists()


def test_match_of_noise_with_a_note_does_not_warn_that_a_note_is_assumed(matched, predictor):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, predictor.samples)).astype(np.float32)
    assert not any("assumed" in text for text in matched(noise, predicted(predictor.schema), note=60).warnings)


@pytest.fixture(scope="module")
def bank(predictor):
    """One preset: the init patch, played at note 55."""
    size = index_mel(np.zeros((128, predictor.mel.frames(predictor.samples)))).shape
    preset = dataclasses.replace(vital_preset.init(), comments="By somebody, CC0.")
    return SoundBank(Images(np.zeros((1, *size), np.float16)), np.array([55]), ["neighbour"], lambda i: preset)


@pytest.fixture(scope="module")
def whole(predictor, pool, saw, bank):
    """A match of the saw with all kinds of candidates but patches, and its progress."""
    stages = []
    config = dataclasses.replace(DEFAULT, patch=False, resynthesis=QUICK, variants=1, equalise=1)
    result = match(clip_of(saw, "saw.wav"), predictor, pool, config, lambda note: [bank], on_progress=stages.append)
    return result, stages


def test_match_with_all_kinds_of_candidates_returns_the_best(whole):
    result, stages = whole
    labels = {one.label.removesuffix(", fitted"): one.kind for one in result.candidates}
    expected = {PREDICTION: Kind.PREDICTION, "neighbour": Kind.NEIGHBOUR, "resynthesis": Kind.RESYNTHESIS}
    assert expected.items() <= labels.items()
    assert (result.kind, result.closest) == (Kind.NEIGHBOUR, None)
    assert result.label == result.candidates[0].label == "neighbour"  # the saw itself
    losses = [one.loss for one in result.candidates]
    assert losses == sorted(losses)
    assert result.preset.comments.endswith("By somebody, CC0.")  # the credit is kept
    assert {"predicting", "playing candidates", "equalising harmonics"} == {stage.stage for stage in stages}
    assert stages[-1].best == "neighbour"
    played = [stage.candidate for stage in stages if stage.candidate is not None]
    assert played[0].label == PREDICTION  # a page shows it before the others are ready
    assert {one.label for one in played} == set(labels)
    assert all(one.audio is not None for one in played)


@pytest.fixture(scope="module")
def organ(pool):
    """A sound whose wavetable no bank has, at note 48, [2, samples]; and its preset."""
    t = np.arange(FRAME) / FRAME
    cycle = sum(a * np.sin(2 * np.pi * k * t) for k, a in enumerate((1.0, 0.0, 0.4, 0.0, 0.0, 0.6, 0.3), 1))
    preset = dataclasses.replace(
        vital_preset.init(), wavetables=(table_json("Organ", cycle[None] / 2), *vital_preset.init().wavetables[1:])
    )
    return pool.render(RenderJob(preset.to_json(), (48,))).audio[0], preset


@pytest.fixture(scope="module")
def as_resynthesis(organ):
    """The organ's own preset, in place of a resynthesis of the sound, which takes long."""
    return Candidate("resynthesis", organ[1], kind=Kind.RESYNTHESIS)


GIVEN = dataclasses.replace(DEFAULT, patch=False, resynthesis=None, variants=1, equalise=0)
"""For matches whose patches and resyntheses are given as candidates."""


def test_match_by_default_returns_the_best_knobs_preset_and_the_closest_preset(predictor, pool, organ, as_resynthesis):
    result = match(clip_of(organ[0]), predictor, pool, GIVEN, candidates=[as_resynthesis])
    assert (result.kind.family, result.closest.kind) == ("knobs", Kind.RESYNTHESIS)
    assert result.candidates[0].kind == Kind.RESYNTHESIS
    assert result.label == next(one.label for one in result.candidates if one.kind.family == "knobs")
    assert (result.closest.loss, result.closest.mss_db) < (result.loss, result.mss_db)
    assert (result.preset.name, result.closest.preset.name) == ("a preset", "a preset (closest)")
    assert f"Method: {result.closest.label}" in result.closest.preset.comments
    for found in (result, result.closest):  # judged in the same way
        job = RenderJob(found.preset.to_json(), (result.note,), note_s=result.note_s)
        np.testing.assert_array_equal(pool.render(job).audio[0], found.audio)
        assert f"{found.mss_db:.2f} dB MSS" in found.preset.comments
        assert np.isfinite(found.re_render_db)
    config = dataclasses.replace(GIVEN, prefer="closest")
    closest = match(clip_of(organ[0]), predictor, pool, config, candidates=[as_resynthesis])
    assert closest.closest is None
    assert (closest.kind, closest.label) == (Kind.RESYNTHESIS, result.closest.label)
    np.testing.assert_array_equal(closest.audio, result.closest.audio)
    assert closest.warnings == ()


@pytest.mark.parametrize(
    ("prefer", "kind"), [("editable", Kind.PATCH), pytest.param("knobs", Kind.PREDICTION, marks=pytest.mark.slow)]
)
def test_match_with_prefer_selects_the_requested_family(predictor, pool, organ, prefer, kind):
    config = dataclasses.replace(GIVEN, prefer=prefer)
    patch = Candidate("patch, by hand", organ[1], kind=Kind.PATCH)
    result = match(clip_of(organ[0]), predictor, pool, config, candidates=[patch])
    assert result.kind == kind
    assert result.candidates[0].kind == Kind.PATCH
    assert (result.closest is None) == (prefer == "editable")


@pytest.mark.slow
def test_match_with_a_silent_patch_returns_the_knobs_and_warns(predictor, pool, saw, bank):
    mute = dataclasses.replace(vital_preset.init(), categorical=vital_preset.init().categorical.copy())
    mute.categorical[vital_preset.controls().categorical_names.index("osc_1_on")] = 0
    patch = Candidate("patch", mute, kind=Kind.PATCH)
    result = match(clip_of(saw), predictor, pool, GIVEN, lambda note: [bank], candidates=[patch])
    assert result.warnings == ("'neighbour' is written and not the patch: silent at note 48",)


def test_match_with_distant_editable_presets_warns_and_names_the_closest(predictor, pool):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, predictor.samples)).astype(np.float32)
    hiss = with_values(vital_preset.init(), {"osc_1_on": 0, "sample_on": 1, "sample_level": 0.5})
    given = [Candidate("resynthesis", hiss, kind=Kind.RESYNTHESIS)]
    result = match(clip_of(noise), predictor, pool, dataclasses.replace(GIVEN, note=60), candidates=given)
    assert result.mss_db > FAR_DB
    assert result.warnings == (
        f"no editable preset comes near the sound: this one is {result.mss_db:.1f} dB MSS away; the closest "
        f"candidate, {result.closest.label!r}, is at {result.closest.mss_db:.1f} dB",
    )


SEARCH = RefineConfig(evals=13, patience=1, strategy=StrategyConfig(population=4), parallel=2)


@pytest.mark.slow
def test_match_with_a_search_begins_from_the_preferred_candidate(predictor, pool, organ, as_resynthesis):
    config = dataclasses.replace(GIVEN, refine=SEARCH)
    result = match(clip_of(organ[0]), predictor, pool, config, candidates=[as_resynthesis])
    first = next(one for one in result.candidates if one.kind == Kind.PREDICTION)
    assert (result.kind, result.trace[0][1]) == (Kind.PREDICTION, pytest.approx(first.loss, rel=1e-5))
    assert result.trace[0][0] < result.evals == SEARCH.evals
    assert "after a search of 13 renders" in result.preset.comments
    assert result.closest.kind == Kind.RESYNTHESIS
    assert "search" not in result.closest.preset.comments


def test_match_result_describes_the_returned_preset(whole, pool):
    result, _ = whole
    again = pool.render(RenderJob(result.preset.to_json(), (result.note,), note_s=result.note_s)).audio[0]
    np.testing.assert_array_equal(again, result.audio)
    content = result.as_json()
    assert content["preset"]["metrics"]["mss"] == pytest.approx(result.mss_db)
    assert f"{result.mss_db:.2f} dB MSS" in result.preset.comments
    assert (result.preset.name, result.preset.author) == ("a preset", "vjax")
    assert result.preset.style in content["preset"]["style"] != ""
    assert content["preset"]["routes"] == []
    assert content["prediction"]["routes"] != []  # of the network
    assert "menu_probability" not in content


def test_match_prediction_keeps_its_level_and_audio(whole, pool):
    result, _ = whole
    job = RenderJob(result.predicted.preset.to_json(), (result.note,), note_s=result.note_s)
    np.testing.assert_array_equal(pool.render(job).audio[0], result.predicted.audio)


@pytest.mark.slow
def test_match_twice_returns_equal_presets(whole, predictor, pool, saw, bank, tmp_path):
    config = dataclasses.replace(DEFAULT, patch=False, resynthesis=QUICK, variants=1, equalise=1)
    again = match(clip_of(saw, "saw.wav"), predictor, pool, config, lambda note: [bank])
    assert again.preset.to_json() == whole[0].preset.to_json()


@pytest.mark.parametrize("gain", [pytest.param(0.003, marks=pytest.mark.slow), 3.0])
def test_match_with_any_level_keeps_peaks_below_full_scale_or_warns(predictor, pool, saw, bank, gain):
    """Converters clip higher peaks."""
    sound = np.clip(gain * saw, -1, 1)
    result = match(clip_of(sound), predictor, pool, GIVEN, lambda note: [bank])
    assert np.abs(result.audio).max() <= FULL_SCALE + 1e-3
    off = result.metrics["loudness_difference"]
    assert math.isnan(off) or off < 1 or any("LU" in warning for warning in result.warnings)


@pytest.mark.slow
def test_match_with_a_search_is_not_worse(predictor, pool, saw):
    ranked = match(clip_of(0.5 * saw), predictor, pool, GIVEN)
    searched = match(clip_of(0.5 * saw), predictor, pool, dataclasses.replace(GIVEN, refine=SEARCH))
    assert searched.loss <= ranked.loss + 1e-6
    assert searched.trace[0][0] < searched.evals == SEARCH.evals
    assert "after a search of 13 renders" in searched.preset.comments


def test_match_result_save_writes_its_preset_and_audio(whole, tmp_path):
    result, _ = whole
    files = result.save(tmp_path / "x.vital")
    assert [file.name for file in files] == ["x.vital", "x-vjax.wav", "x-vjax.png"]
    assert read_preset(files[0]).comments == result.preset.comments
    written, _ = soundfile.read(files[1], dtype="float32")
    np.testing.assert_array_equal(written.T, result.audio)
    assert read_json(files[0])["synth_version"] == "1.5.5"


def test_match_of_a_mono_file_compares_both_channels(matched, predictor, saw, tmp_path):
    soundfile.write(tmp_path / "mono.wav", saw.mean(0), RATE, subtype="FLOAT")
    clip = load_clip(tmp_path / "mono.wav", RATE, predictor.samples)
    result = matched(clip.audio, predicted(predictor.schema, osc_1_wavetable=1))
    assert result.target.shape == result.audio.shape
    np.testing.assert_array_equal(result.target[0], result.target[1])
    assert float(mss(result.audio, result.target, RATE)) == pytest.approx(result.metrics["mss"], rel=0.2)


def test_render_config_without_dataset_settings_has_the_length_of_the_clip(predictor):
    assert render_config(predictor) == RenderConfig(seconds=0.4, note_s=0.3)
    default = render_config(dataclasses.replace(predictor, render=None))
    assert default.samples == predictor.samples
    assert 0 < default.note_s < default.seconds


def test_export_preset_returns_the_prediction_without_tuning(matched, predictor, saw):
    off = predicted(predictor.schema, voice_transpose=7)
    result = matched(saw, off, tune=False)
    expected = export_preset(off, predictor.schema, predictor.vocabulary, "a preset")
    np.testing.assert_array_equal(result.preset.continuous, expected.continuous)
    assert detect_pitch(result.audio, RATE).note == 55


def test_prepare_after_ctrl_c_does_not_wait_for_patches(predictor, pool, saw, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(vjax.matching.prepare, "explained", lambda *_, **__: ended.wait(60))

    def press(progress) -> None:
        if progress.stage == "playing candidates":
            raise KeyboardInterrupt

    config = MatchConfig(patch=False, resynthesis=None)
    given = [Candidate(str(i), vital_preset.init()) for i in range(6)]
    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        match(clip_of(saw), predictor, pool, config, candidates=given, on_progress=press)
    assert time.monotonic() - began_s < 50
    ended.set()
