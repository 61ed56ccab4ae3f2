"""Tests of predictions for folders and datasets: one compiled function, order, and unusable files."""

import threading

import jax
import numpy as np
import pytest
import soundfile

from vjax.audio.files import AudioError
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor
from vjax.inference.predict_many import Failure, find_audio, predict_dataset, predict_files

COMPILES = "/jax/core/compile/backend_compile_duration"


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return Predictor.from_checkpoint(checkpoint, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tone):
    """Sounds of several formats, rates, lengths and channel counts, and files that are not sounds."""
    root = tmp_path_factory.mktemp("sounds")
    (root / "kit").mkdir()
    pitches = iter(range(110, 1100, 110))
    for name, rate, seconds, channels in (
        ("a.wav", 44100, 0.4, 1),
        ("b.flac", 48000, 0.4, 2),
        ("kit/c.ogg", 22050, 0.1, 1),
        ("kit/d.AIFF", 96000, 1.5, 2),
        ("kit/e.wav", 44100, 0.23, 2),
        ("z.mp3", 44100, 0.3, 1),
    ):
        soundfile.write(root / name, np.repeat(tone(next(pitches), seconds, rate), channels, 0).T, rate)
    soundfile.write(root / "silence.wav", np.zeros(20000), 44100)
    soundfile.write(root / "tick.wav", tone(440)[0, :441], 44100)
    soundfile.write(root / "loud.wav", np.tile([1e20, -1e20], 9000), 44100, subtype="FLOAT")
    (root / "text.wav").write_text("not a sound")
    (root / "notes.txt").write_text("ignored")
    (root / "._a.wav").write_text("a hidden file of macOS")
    return root


@pytest.fixture
def compiles():
    """Names of the functions compiled while the test runs."""
    found = []

    def collect(event, _, **details):
        if event == COMPILES:
            found.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(collect)
    yield found
    jax.monitoring.unregister_event_duration_listener(collect)


def test_find_audio_returns_the_sounds_of_all_subfolders_sorted(folder, tmp_path):
    names = [str(path.relative_to(folder)) for path in find_audio(folder)]
    sounds = [
        "a.wav",
        "b.flac",
        "kit/c.ogg",
        "kit/d.AIFF",
        "kit/e.wav",
        "loud.wav",
        "silence.wav",
        "text.wav",
        "tick.wav",
        "z.mp3",
    ]
    assert names == sounds
    (tmp_path / "empty").mkdir()
    for name in ("own.vital", "own-vjax.wav", "other-vjax.wav"):
        (tmp_path / "empty" / name).write_bytes(b"")
    assert [path.name for path in find_audio(tmp_path / "empty")] == ["other-vjax.wav"]  # the first is vjax's render
    (tmp_path / "empty" / "other-vjax.wav").unlink()
    with pytest.raises(AudioError, match=r"empty contains no sound file; vjax looks for \.wav"):
        find_audio(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="missing"):
        find_audio(tmp_path / "missing")


def test_predict_files_with_bad_files_reports_them_in_order(predictor, folder):
    paths = [*find_audio(folder), folder / "missing.wav", folder / "a.wav"]
    results = list(predict_files(predictor, paths))
    assert [result.name for result in results] == [str(path) for path in paths]
    failed = [path.name for path, result in zip(paths, results, strict=True) if isinstance(result, Failure)]
    assert failed == ["loud.wav", "silence.wav", "text.wav", "tick.wav", "missing.wav"]
    for path, result in zip(paths, results, strict=True):
        if isinstance(result, Failure):
            assert path.name in result.error
        else:
            predictor.schema.validate(result.parameters)
    np.testing.assert_allclose(results[-1].parameters.continuous, results[0].parameters.continuous, rtol=1e-5)


def test_predict_files_of_a_batch_equals_one_by_one(predictor, folder):
    paths = [folder / name for name in ("a.wav", "b.flac", "kit/e.wav")]
    together = list(predict_files(predictor, paths, confidence=True))
    for path, found in zip(paths, together, strict=True):
        (alone,) = predict_files(predictor, [path], confidence=True)
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        for other in (alone, predictor.predict_with_confidence(audio.T, rate)):
            for a, b in zip(found.parameters, other.parameters, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            for name, spread in found.confidence.spread_norm.items():
                assert other.confidence.spread_norm[name] == pytest.approx(spread, rel=1e-3, abs=1e-6)
    first = together[0].parameters.continuous
    assert all(np.abs(other.parameters.continuous - first).max() > 1e-4 for other in together[1:])


def test_predict_files_after_a_batch_of_failures_continues(predictor, folder):
    results = list(predict_files(predictor, [folder / "text.wav"] * 9 + [folder / "a.wav"]))
    assert [type(result) for result in results] == [Failure] * 9 + [PredictedPreset]
    assert list(predict_files(predictor, [])) == []


def test_predict_files_and_predict_dataset_compile_once_each(checkpoint, folder, rows_of_the_run, tone, compiles):
    predictor = Predictor.from_checkpoint(checkpoint, batch_size=5)  # a size that no other test compiles
    compiles.clear()
    paths = find_audio(folder)
    for chosen in (paths, paths[:1], paths * 3, paths[3:8]):
        for confidence in (False, True):
            assert len(list(predict_files(predictor, chosen, confidence))) == len(chosen)
    predictor.predict(tone(330, sample_rate=32000), 32000)
    predictor.predict_with_confidence(tone(330, seconds=3))
    assert compiles == ["jit(_run)"]
    for rows in (None, [3], range(11)):
        list(predict_dataset(predictor, rows_of_the_run, rows, confidence=True))
    assert compiles == ["jit(_run)"] * 2


def test_predict_files_reads_at_most_three_batches_ahead(predictor, folder):
    taken = []

    def endless():
        while True:
            taken.append(folder / "a.wav")
            yield taken[-1]

    predictions = predict_files(predictor, endless())
    for _ in range(10):
        next(predictions)
    assert len(taken) <= 10 + 3 * predictor.batch_size
    predictions.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vjax-ahead")]


def test_predict_dataset_returns_rows_with_their_targets(predictor, rows_of_the_run, schema):
    info = open_dataset(rows_of_the_run)
    reader = Reader(info)
    predictions = list(predict_dataset(predictor, rows_of_the_run))
    assert [prediction.name for prediction in predictions] == [f"row {row}" for row in range(18)]
    for row, prediction in enumerate(predictions):
        schema.validate(prediction.parameters)
        assert prediction.midi_note == reader[row].midi_note
        for a, b in zip(prediction.target, sample_parameters(reader[row], schema), strict=True):
            np.testing.assert_array_equal(a, b)
    chosen = list(predict_dataset(predictor, info, rows=[5, 2]))
    assert [prediction.name for prediction in chosen] == ["row 5", "row 2"]
    for prediction, row in zip(chosen, (5, 2), strict=True):
        np.testing.assert_allclose(
            prediction.parameters.continuous, predictions[row].parameters.continuous, rtol=1e-5, atol=1e-6
        )


def test_predict_dataset_equals_predict_files_of_its_sounds(
    predictor, folder, schema, random_rows, shard_attributes, tmp_path
):
    """The spectrograms are stored as float32 and as float16, as `generate` may store them."""
    from vjax.audio.clip import read_clip
    from vjax.data.shard import log_mel

    paths = [folder / name for name in ("a.wav", "b.flac", "kit/e.wav")]
    clips = [read_clip(path, 44100, predictor.samples).mean(0, keepdims=True) for path in paths]
    mels = log_mel(np.stack(clips), predictor.mel)[:, None]
    for dtype in (np.float32, np.float16):
        rows = random_rows(1) | {"features/mel_spectrogram": mels.astype(dtype)}
        write_shard(tmp_path / f"{dtype.__name__}.h5", schema, rows, shard_attributes)
        stored = predict_dataset(predictor, tmp_path / f"{dtype.__name__}.h5")
        for from_file, from_row in zip(predict_files(predictor, paths), stored, strict=True):
            atol = 1e-5 if dtype == np.float32 else 2e-3
            np.testing.assert_allclose(
                from_file.parameters.continuous, from_row.parameters.continuous, rtol=1e-4, atol=atol
            )


def test_predict_dataset_of_other_spectrograms_is_an_error(predictor, schema, random_rows, shard_attributes, tmp_path):
    rows = random_rows(1)
    rows["features/mel_spectrogram"] = rows["features/mel_spectrogram"][..., :12]
    write_shard(tmp_path / "shorter.h5", schema, rows, shard_attributes)
    with pytest.raises(DatasetError, match=r"\(1, 128, 12\), but the model takes \(1, 128, 20\)"):
        predict_dataset(predictor, tmp_path / "shorter.h5")
    hop = dict(shard_attributes["mel"], hop=256)
    write_shard(tmp_path / "hop.h5", schema, random_rows(1), shard_attributes | {"mel": hop})
    with pytest.raises(DatasetError, match="'hop': 256"):
        predict_dataset(predictor, tmp_path / "hop.h5")
