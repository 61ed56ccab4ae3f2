"""Tests of decoding, and of predictions from sounds with only a checkpoint folder."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
import soundfile
import soxr

from vjax.audio.clip import Clip, as_stereo
from vjax.audio.files import AudioError
from vjax.audio.mel import MelConfig, mel_spectrogram
from vjax.engine.config import RenderConfig
from vjax.inference.decode import decode
from vjax.inference.predict import USUAL_DBFS, Predictor, network_input
from vjax.inference.predict_many import predict_files
from vjax.training.checkpoint import Checkpoints, load_checkpoint
from vjax.training.saving import CheckpointError


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor.from_checkpoint(checkpoint, batch_size=3)


def assert_same(one, other, **tolerance):
    """Compares the numbers of two predictions; bit for bit without a tolerance."""
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    for a, b in zip(one.parameters, other.parameters, strict=True):
        compare(a, b, **tolerance)
    assert [route[:4] for route in one.routes] == [route[:4] for route in other.routes]


def test_from_checkpoint_with_unknown_mel_settings_is_an_error(predictor, trained, tmp_path):
    _, state = trained
    meta = predictor.meta | {"mel": predictor.meta["mel"] | {"hop_length": 512}}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, meta, val_loss=1.0)
    with pytest.raises(ValueError, match=rf"checkpoint {tmp_path}: unknown mel setting hop_length \(512\); rename it"):
        Predictor.from_checkpoint(tmp_path)


def test_from_checkpoint_restores_all_settings_from_the_folder(predictor, schema):
    assert predictor.schema == schema
    assert predictor.step == 7
    assert predictor.sample_rate == 44100
    assert predictor.render == RenderConfig(seconds=0.23, note_s=0.1)
    assert predictor.samples == predictor.render.samples
    assert predictor.mel.frames(predictor.samples) == predictor.meta["mel_shape"][-1]
    assert predictor.catalog_json == '{"tables": []}'
    assert predictor.presence == "margin"


def test_predict_with_a_copied_checkpoint_returns_the_same_bits(checkpoint, predictor, tone, tmp_path):
    shutil.copytree(checkpoint / "checkpoints", tmp_path / "copy")
    copied = Predictor.from_checkpoint(tmp_path / "copy", batch_size=3)
    one, other = (p.predict_with_confidence(tone(220)) for p in (predictor, copied))
    assert_same(one, other)
    assert one.routes == other.routes
    for a, b in zip(jax.tree.leaves(one.confidence), jax.tree.leaves(other.confidence), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_equals_the_model_on_the_log_mel_of_the_clip(checkpoint, predictor, tone):
    restored = load_checkpoint(checkpoint)
    clip = tone(220)[0, : predictor.samples]
    mel = mel_spectrogram(clip, MelConfig())[None, None]
    (expected,) = decode(jax.jit(restored.model.apply)(restored.variables, mel), restored.schema)
    prediction = predictor.predict(tone(220), name="a tone")
    for a, b in zip(prediction.parameters, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert prediction.name == "a tone"
    assert prediction.confidence is None
    assert len(prediction.routes) == (expected.route_index >= 0).sum() > 0
    predictor.schema.validate(prediction.parameters)


def test_predict_of_another_sound_differs(predictor, tone):
    one, other = (predictor.predict(tone(hz)).parameters.continuous for hz in (110, 880))
    assert np.abs(one - other).max() > 1e-3


def test_predict_of_other_channels_rates_and_lengths_is_equal(predictor, tone):
    mono = predictor.predict(tone(220))
    assert_same(predictor.predict(np.repeat(tone(220), 2, 0)), mono)
    assert_same(predictor.predict(tone(220), sample_rate=44100), mono)
    assert_same(predictor.predict(tone(220, seconds=2.0)), mono)
    short = tone(220, seconds=0.1)
    silence = np.zeros((1, predictor.samples - short.shape[1]), np.float32)
    assert_same(predictor.predict(short), predictor.predict(np.concatenate([short, silence], 1)))
    faster = tone(220, sample_rate=48000)
    resampled = soxr.resample(faster[0], 48000, 44100)[None]
    assert_same(predictor.predict(faster, sample_rate=48000), predictor.predict(resampled), rtol=1e-4, atol=1e-5)
    wrong_rate = predictor.predict(faster).parameters.continuous
    assert np.abs(wrong_rate - predictor.predict(faster, 48000).parameters.continuous).max() > 1e-5


@pytest.mark.parametrize("right", [-1, -0.98, 0], ids=["inverted", "nearly inverted", "silent"])
def test_predict_of_one_channel_inverted_or_silent_equals_that_of_the_other(predictor, tone, right):
    sound = tone(220)
    assert_same(predictor.predict(np.concatenate([sound, right * sound])), predictor.predict(sound))


@pytest.mark.parametrize("dbfs", [-65, -45, 45])
def test_predict_of_a_level_beyond_the_training_sounds_equals_that_at_a_usual_level(predictor, tone, dbfs):
    clip = as_stereo(tone(220), predictor.samples) / np.abs(tone(220)).max()
    usual, found = (
        predictor.predict_clip(Clip("a", "a", clip * np.float32(10 ** (level / 20)), 44100, clip[:, :0]))
        for level in (USUAL_DBFS, dbfs)
    )
    np.testing.assert_allclose(found.mel, usual.mel, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dbfs", [-39, -20, 0, 12])
def test_network_input_of_an_ordinary_level_keeps_its_bits(tone, dbfs):
    sound = tone(220) / np.abs(tone(220)).max() * np.float32(10 ** (dbfs / 20))
    np.testing.assert_array_equal(network_input(sound), sound[0])


def test_predict_of_half_floats_at_another_rate_equals_that_of_floats(predictor, tone):
    half = tone(220, sample_rate=48000).astype(np.float16)
    assert_same(predictor.predict(half, 48000), predictor.predict(half.astype(np.float32), 48000))


def test_predict_of_an_array_equals_that_of_its_file(predictor, tone, tmp_path):
    """The sound has the offset of a recorder and another rate."""
    audio = tone(220, seconds=1.0, sample_rate=48000) + np.float32(0.1)
    soundfile.write(tmp_path / "a.wav", audio.T, 48000, subtype="FLOAT")
    (of_file,) = predict_files(predictor, [tmp_path / "a.wav"])
    assert_same(predictor.predict(audio, 48000), of_file)


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros((1, 20000), np.float32),
        np.full((1, 20000), np.nan, np.float32),
        np.ones((1, 441), np.float32),
        np.zeros((2, 0), np.float32),
        np.zeros((1, 2, 20000), np.float32),
        np.ones(20000, np.float32),
        np.tile(np.array([1e20, -1e20], np.float32), (1, 10000)),
        np.tile(np.array([9999, -9999], np.int16), (1, 10000)),
        np.tile(np.array([[1, -1]], np.float32), (20000, 1)),
    ],
    ids=["silence", "nan", "10 ms", "empty", "three axes", "one axis", "overflow", "integers", "transposed"],
)
@pytest.mark.parametrize("sample_rate", [None, 48000])
def test_predict_of_an_unusable_sound_names_it(predictor, audio, sample_rate):
    with pytest.raises(AudioError, match="my sound"):
        predictor.predict(audio, sample_rate, name="my sound")


def test_predict_with_a_sample_rate_of_zero_is_an_error(predictor, tone):
    with pytest.raises(AudioError, match="a sample rate of 0 Hz"):
        predictor.predict(tone(220), 0)


def test_predict_with_confidence_covers_menus_knobs_and_routes(predictor, tone, schema):
    plain, prediction = predictor.predict(tone(220)), predictor.predict_with_confidence(tone(220))
    assert_same(plain, prediction)
    confidence = prediction.confidence
    assert set(confidence.menu_probability) == set(schema.categorical_names)
    for i, menu in enumerate(schema.categorical):
        distribution = confidence.menu_distribution[menu.name]
        assert distribution.shape == (menu.n_options,)
        assert distribution.sum() == pytest.approx(1, abs=1e-5)
        assert distribution.argmax() == prediction.parameters.categorical[i]
        assert confidence.menu_probability[menu.name] == distribution.max()
    assert set(confidence.spread_norm) == set(schema.continuous_names) - {"beats_per_minute"}
    assert min(confidence.spread_norm.values()) > 0
    assert confidence.presence == tuple(route.presence for route in prediction.routes)
    assert prediction.summary() == (
        f"menus {confidence.mean_probability:.0%} sure, knobs +-{confidence.mean_spread_norm:.1%} of their range, "
        f"{len(prediction.routes)} routes"
    )
    assert plain.summary() == f"{len(prediction.routes)} routes"


def test_predict_with_confidence_without_dropout_has_no_spread(save_checkpoint, tone, tmp_path):
    without = Predictor.from_checkpoint(save_checkpoint(tmp_path / "dry", dropout=0.0), batch_size=1)
    prediction = without.predict_with_confidence(tone(220))
    assert set(prediction.confidence.spread_norm.values()) == {0.0}
    assert prediction.confidence.mean_spread_norm == 0


def test_from_checkpoint_samples_come_from_the_data_the_recipe_or_the_frames(save_checkpoint, predictor, tmp_path):
    def samples(name, **meta):
        found = Predictor.from_checkpoint(save_checkpoint(tmp_path / name, **meta), batch_size=1)
        assert found.render is None
        return found.samples

    recipe = RenderConfig(seconds=0.225, note_s=0.1)
    same_frames = {"generation": {"render": dataclasses.asdict(recipe)}}
    assert samples("recipe", render={}, settings=same_frames) == recipe.samples != predictor.samples
    other_frames = {"generation": {"render": dataclasses.asdict(RenderConfig())}}
    assert samples("other recipe", render={}, settings=other_frames) == 19 * 512


def test_from_checkpoint_with_contradictory_settings_is_an_error(save_checkpoint, tmp_path):
    longer = dataclasses.asdict(RenderConfig(seconds=0.5, note_s=0.1))
    folder = save_checkpoint(tmp_path / "longer", render=longer)
    with pytest.raises(CheckpointError, match=r"takes 20 frames .* last 0.5 s at 44100 Hz, which gives 44 frames"):
        Predictor.from_checkpoint(folder)
    folder = save_checkpoint(tmp_path / "bands", mel=dataclasses.asdict(MelConfig(n_mels=64)))
    with pytest.raises(CheckpointError, match="takes 128 mel bands, but its mel settings give 64"):
        Predictor.from_checkpoint(folder)


def test_run_with_a_wrong_batch_size_is_an_error(checkpoint, predictor):
    with pytest.raises(ValueError, match="batch_size=0"):
        Predictor.from_checkpoint(checkpoint, batch_size=0)
    with pytest.raises(ValueError, match="4 sounds do not fit a batch of 3"):
        predictor.run(np.ones((4, predictor.samples), np.float32))
