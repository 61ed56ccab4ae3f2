"""Tests of batches with the real engine: many sounds, in runs that may be stopped and called again."""

import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
import soundfile
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.audio.clip import read_clip
from vjax.audio.distances import mss
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig
from vjax.data.layout import CATEGORICAL
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import open_dataset
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference import predict
from vjax.inference.predict import Predictor, render_config
from vjax.matching.batch import match_many
from vjax.matching.config import PREDICTION_ONLY
from vjax.matching.export import export_presets
from vjax.matching.index import COLUMNS
from vjax.matching.work import dataset_work, file_work
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.preset import read_preset
from vjax.vital.preset_json import read_json
from vjax.vital.vocabulary import from_parameters

RATE = 44100
BAD = ("silent.wav", "text.wav")
PRESETS = ("kit/both-flac", "kit/both-wav", "kit/stereo", "low")
"""The presets of the folder of sounds, in the order of its files."""


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=3)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, tone):
    """Four sounds, of which two differ only in their suffix, and two files that are not usable sounds."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "kit").mkdir()
    for name, hz, rate, channels in (
        ("low.wav", 110, 44100, 1),
        ("kit/stereo.wav", 220, 48000, 2),
        ("kit/both.wav", 330, 22050, 1),
        ("kit/both.flac", 440, 44100, 1),
    ):
        soundfile.write(folder / name, np.repeat(tone(hz, 0.4, rate), channels, 0).T, rate)
    soundfile.write(folder / "silent.wav", np.zeros(20000), 44100)
    (folder / "text.wav").write_text("not a sound")
    return folder


@pytest.fixture
def compiles():
    """Names of the functions compiled while the test runs."""
    found = []

    def note(event, _, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(details.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield found
    jax.monitoring.unregister_event_duration_listener(note)


def run_files(predictor, out, audio, limit=0, overwrite=False, tensorboard="", workers=2, **config):
    """Writes the predicted presets of sound files, rendered and tuned."""
    work = file_work(predictor, [audio], out, limit, overwrite)
    with RenderPool(render_config(predictor), workers) as pool:
        match_config = dataclasses.replace(PREDICTION_ONLY, **config)
        return match_many(work, out, predictor, pool, match_config, tensorboard=tensorboard)


def run_rows(predictor, out, dataset, limit=0):
    work = dataset_work(predictor, dataset, out, limit)
    with RenderPool(render_config(predictor), 2) as pool:
        return match_many(work, out, predictor, pool, PREDICTION_ONLY)


@pytest.fixture(scope="module")
def exported(predictor, sounds, tmp_path_factory):
    """(report, output folder, TensorBoard folder) of one run over the sounds."""
    out, board = tmp_path_factory.mktemp("out") / "presets", tmp_path_factory.mktemp("board")
    report = run_files(predictor, out, str(sounds), tensorboard=str(board))
    return report, out, board


@pytest.fixture
def again(predictor, sounds, exported, tmp_path):
    """(`again(**config)`, which runs again and returns the report; its folder, a copy of the first run's folder)."""
    out = tmp_path / "presets"
    shutil.copytree(exported[1], out)
    return lambda **config: run_files(predictor, out, str(sounds), **config), out


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of index.csv by name. Each name occurs once."""
    with (folder / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows)
    return by_name


def times_of(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in files_of(folder) if not name.startswith("index.")}


def test_match_many_writes_preset_render_and_image_of_each_sound(exported, predictor):
    report, out, _ = exported
    expected = [f"{name}{end}" for name in PRESETS for end in (".vital", "-vjax.wav", "-vjax.png")]
    assert files_of(out) == sorted([*expected, "index.csv", "index.json"])
    assert (len(report.written), report.existing) == (4, 0)
    for name in PRESETS:
        assert read_preset(out / f"{name}.vital").name == Path(name).name.split("-")[0]
        audio, rate = soundfile.read(out / f"{name}-vjax.wav", dtype="float32")
        assert (audio.shape, rate) == ((predictor.samples, 2), RATE)
        with Image.open(out / f"{name}-vjax.png") as image:
            assert image.size[0] > image.size[1] > 100


def test_match_many_with_bad_files_reports_their_names(exported, sounds):
    report, out, _ = exported
    assert [failure.name for failure in report.failures] == [str(sounds / name) for name in BAD]
    for failure in report.failures:
        assert failure.name in failure.error
        row = rows_of(out)[failure.name]
        assert (row["error"], row["preset"], row["mss"]) == (failure.error, "", "")


def test_match_many_index_contains_notes_pitches_and_distances(exported, sounds, predictor):
    report, out, _ = exported
    rows = rows_of(out)
    assert set(rows) == {
        str(sounds / name) for name in ("low.wav", "kit/stereo.wav", "kit/both.wav", "kit/both.flac", *BAD)
    }
    distances = []
    for name, note, hz, preset in (
        ("kit/both.flac", 69, 440, PRESETS[0]),
        ("kit/both.wav", 64, 330, PRESETS[1]),
        ("kit/stereo.wav", 57, 220, PRESETS[2]),
        ("low.wav", 45, 110, PRESETS[3]),
    ):
        row = rows[str(sounds / name)]
        assert tuple(row) == COLUMNS
        assert (row["preset"], row["error"]) == (str(out / f"{preset}.vital"), "")
        assert int(row["note"]) == note
        assert float(row["pitch_hz"]) == pytest.approx(hz, rel=0.01)
        assert 0.5 < float(row["pitch_confidence"]) <= 1
        assert abs(float(row["pitch_error_cents"])) < 50
        assert row["label"] in read_preset(out / f"{preset}.vital").comments
        audio, _ = soundfile.read(out / f"{preset}-vjax.wav", dtype="float32")
        target = read_clip(sounds / name, RATE, predictor.samples)
        target = np.broadcast_to(target, (2, target.shape[1]))
        assert float(row["mss"]) == pytest.approx(float(mss(audio.T, target, RATE)), rel=0.2)  # of one seed of three
        distances.append(float(row["mss"]))
    rows_again = {row["name"]: row for row in json.loads((out / "index.json").read_text())}
    assert rows_again[str(sounds / "low.wav")]["note"] == 45
    assert report.median_mss_db == pytest.approx(np.median(distances), abs=1e-3)


def test_match_many_written_preset_renders_to_the_written_audio(exported, predictor, sounds):
    _, out, _ = exported
    row = rows_of(out)[str(sounds / "low.wav")]
    config = render_config(predictor)
    with RenderPool(config, workers=1) as pool:  # the sound lasts to its end: no note-off
        played = pool.render(RenderJob(read_json(row["preset"]), (int(row["note"]),), note_s=config.seconds)).audio[0]
    written, _ = soundfile.read(out / "low-vjax.wav", dtype="float32")
    np.testing.assert_array_equal(written.T, played)


def test_match_many_with_tensorboard_logs_sounds_and_images(exported):
    events = EventAccumulator(str(exported[2]))
    events.Reload()
    tags = {f"match/{name}/{end}" for name in PRESETS for end in ("target", "preset")}
    assert set(events.Tags()["audio"]) == tags
    assert set(events.Tags()["images"]) == {f"match/{name}/comparison" for name in PRESETS}


def test_match_many_called_again_writes_nothing(again, exported):
    run, out = again
    before = times_of(out)
    report = run()
    assert (len(report.written), report.existing) == (0, 4)
    assert np.isnan(report.median_mss_db)
    assert len(report.failures) == 2
    assert times_of(out) == before
    assert rows_of(out) == rows_of(exported[1])


def test_match_many_after_a_stopped_run_writes_the_missing_files(again):
    run, out = again
    (out / "kit" / "stereo.vital").unlink()
    before = times_of(out)
    report = run()
    assert (len(report.written), report.existing) == (1, 3)
    changed = {name for name, time in times_of(out).items() if before.get(name) != time}
    assert changed == {f"kit/stereo{end}" for end in (".vital", "-vjax.wav", "-vjax.png")}


@pytest.mark.slow
def test_match_many_with_overwrite_writes_all_and_one_row_each(again, exported):
    run, out = again
    before = times_of(out)
    report = run(overwrite=True, note=48, tune=False)
    assert (len(report.written), report.existing) == (4, 0)
    assert all(time != before[name] for name, time in times_of(out).items())
    assert [row["note"] for row in rows_of(out).values() if not row["error"]] == ["48"] * 4


def test_file_work_with_a_limit_names_presets_as_without_a_limit(predictor, sounds, tmp_path):
    out = tmp_path / "out"
    work = file_work(predictor, [sounds], out, limit=1)
    assert work.limited == "taking 1 of 6 sounds (--limit)"
    assert export_presets(work, predictor).written == 1
    assert files_of(out) == [f"{PRESETS[0]}.vital"]
    report = export_presets(file_work(predictor, [sounds], out, limit=3), predictor)
    assert (report.written, report.existing) == (2, 1)
    assert files_of(out) == sorted(f"{name}.vital" for name in PRESETS[:3])


def test_file_work_with_a_limit_does_not_count_a_broken_file(predictor, tone, tmp_path):
    (tmp_path / "a.wav").write_text("not a sound")
    for name in "bcd":
        soundfile.write(tmp_path / f"{name}.wav", tone(220).T, RATE)
    work = file_work(predictor, [tmp_path], tmp_path / "out", limit=2)
    assert [path.stem for path in work.paths.values()] == ["a", "b", "c"]


def test_export_presets_with_several_batches_compiles_the_network_once(engine_run, sounds, tone, tmp_path, compiles):
    """There are more than two batches."""
    predictor = Predictor.from_checkpoint(engine_run, batch_size=2)
    predict._run.clear_cache()  # other tests may have compiled this size
    many = tmp_path / "many"
    shutil.copytree(sounds, many)
    soundfile.write(many / "third.wav", tone(550).T, RATE)
    compiles.clear()
    report = export_presets(file_work(predictor, [many], tmp_path / "out"), predictor)
    assert (report.written, len(report.failures)) == (5, 2)
    assert compiles == ["jit(_run)"]
    assert {Path(name).suffix for name in files_of(tmp_path / "out")} == {".vital"}


@pytest.mark.slow
def test_match_many_with_renders_compiles_the_network_once(engine_run, sounds, tmp_path, compiles):
    predictor = Predictor.from_checkpoint(engine_run, batch_size=1)
    predict._run.clear_cache()  # as above
    compiles.clear()
    report = run_files(predictor, tmp_path / "out", str(sounds / "kit"), limit=2, note=60, tune=False)
    assert len(report.written) == 2
    assert compiles.count("jit(_run)") == 1


def test_match_many_with_a_preset_path_writes_that_preset(predictor, sounds, tmp_path):
    """Only its render and image are written beside it, because the folder may contain other files."""
    out = tmp_path / "any" / "own.vital"
    for written, there in ((1, 0), (0, 1)):
        report = run_files(predictor, out, str(sounds / "low.wav"), workers=1)
        assert (len(report.written), report.existing) == (written, there)
    assert files_of(out.parent) == ["own-vjax.png", "own-vjax.wav", "own.vital"]
    assert read_preset(out).name == "low"  # as the sound; Vital shows the file's name
    report = run_files(predictor, tmp_path / "other.vital", str(sounds / "text.wav"))
    assert (len(report.written), len(report.failures)) == (0, 1)
    assert not (tmp_path / "other.vital").exists()


def test_match_many_with_out_equal_to_the_sounds_skips_its_own_renders(predictor, tone, tmp_path):
    """The second run skips the renders of the first run, but not other sounds with such a name."""
    soundfile.write(tmp_path / "a.wav", tone(220).T, RATE)
    soundfile.write(tmp_path / "b-vjax.wav", tone(330).T, RATE)
    assert len(run_files(predictor, tmp_path, str(tmp_path)).written) == 2
    left = files_of(tmp_path)
    report = run_files(predictor, tmp_path, str(tmp_path))
    assert (len(report.written), report.existing) == (0, 2)
    assert files_of(tmp_path) == left


@pytest.mark.slow
def test_match_many_with_a_dataset_writes_targets_as_well(predictor, engine_run, tmp_path):
    out = tmp_path / "out"
    report = run_rows(predictor, out, engine_run / "data", limit=2)
    assert (len(report.written), report.existing, report.failures) == (2, 0, ())
    ends = (".vital", "-vjax.wav", "-vjax.png", "-target.wav")
    assert files_of(out) == sorted(
        ["index.csv", "index.json", *(f"row-{row:06d}{end}" for row in range(2) for end in ends)]
    )
    info = open_dataset(engine_run / "data")
    reader, rows = Reader(info), rows_of(out)
    vocabulary = vocabulary_of(info.catalog_json)
    with RenderPool(render_config(predictor), workers=1) as pool:
        for row in range(2):
            parameters = sample_parameters(reader[row], info.schema)
            job = RenderJob(from_parameters(parameters, info.schema, vocabulary), (int(reader[row].midi_note),))
            written, _ = soundfile.read(out / f"row-{row:06d}-target.wav", dtype="float32")
            np.testing.assert_array_equal(written.T, pool.render(job).audio[0])
            assert int(rows[f"row {row}"]["note"]) == reader[row].midi_note
    more = export_presets(dataset_work(predictor, engine_run / "data", out), predictor)
    assert (more.written, more.existing) == (2, 2)


def test_match_many_with_a_silent_row_reports_a_failure(predictor, engine_run, tmp_path):
    """A row whose oscillator is off: its target is silent."""
    shutil.copytree(engine_run / "data", tmp_path / "data")
    with h5py.File(tmp_path / "data" / "shard-00000.h5", "r+") as file:
        file[CATEGORICAL][1, predictor.schema.position["osc_1_on"]] = 0
    report = run_rows(predictor, tmp_path / "out", tmp_path / "data", limit=2)
    assert len(report.written) == 1
    (failure,) = report.failures
    assert failure.error.startswith("row 1: the target is silent")
    rows = rows_of(tmp_path / "out")
    assert rows["row 1"]["mss"] == ""
    assert float(rows["row 0"]["mss"]) == pytest.approx(report.median_mss_db, abs=1e-3)


def test_work_with_impossible_arguments_raises_before_matching(predictor, sounds, engine_run, tmp_path):

    def assert_raises(message, out, *audio, dataset=None):
        with pytest.raises((ValueError, OSError), match=message):
            dataset_work(predictor, dataset, out) if dataset else file_work(predictor, audio, out)

    assert_raises("names one preset, but there are 6 sounds", tmp_path / "x.vital", sounds)
    assert_raises("names one preset; give a folder", tmp_path / "x.vital", dataset=engine_run / "data")
    assert_raises("there is nothing at .*nowhere; give sound files", tmp_path, sounds / "nowhere")
    assert_raises("there is no dataset at .*nowhere", tmp_path, dataset=sounds / "nowhere")
    (tmp_path / "empty").mkdir()
    assert_raises("empty contains no sound file", tmp_path, tmp_path / "empty")
    (tmp_path / "index.csv").write_text("another table\n")
    with pytest.raises(ValueError, match=r"index\.csv has other columns"):
        run_files(predictor, tmp_path, str(sounds))
    assert (tmp_path / "index.csv").read_text() == "another table\n"


def test_file_work_with_two_sounds_for_one_path_raises(predictor, tone, tmp_path):
    for name in ("a.wav", "a.flac", "a-wav.wav"):
        soundfile.write(tmp_path / name, tone(220).T, RATE)
    with pytest.raises(ValueError, match=r"a-wav\.wav and .*a\.wav would both become .*a-wav\.vital; rename one"):
        file_work(predictor, [tmp_path], tmp_path / "out")
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "sub" / "a.wav", tone(220).T, RATE)
    with pytest.raises(ValueError, match="would both become"):
        file_work(predictor, [tmp_path / "a.wav", tmp_path / "sub" / "a.wav"], tmp_path / "out")


@pytest.mark.slow
def test_match_many_with_resynthesis_writes_the_closest_preset_as_well(predictor, tone, tmp_path):
    soundfile.write(tmp_path / "low.wav", tone(110).T, RATE)
    quick = {"resynthesis": WavetableFitConfig(frames=9, steps=3), "variants": 1, "equalise": 0}
    report = run_files(predictor, tmp_path / "out", str(tmp_path / "low.wav"), **quick)
    (written,) = report.written
    assert written.closest == tmp_path / "out" / "low (closest).vital"
    assert written.closest_label.startswith("resynthesis")
    assert written.closest_mss_db < written.mss_db
    row = rows_of(tmp_path / "out")[written.name]
    assert (row["closest"], row["closest_label"]) == (str(written.closest), written.closest_label)
    assert (row["kind"], row["closest_kind"]) == ("prediction", "resynthesis")
    assert float(row["closest_mss"]) == pytest.approx(written.closest_mss_db, abs=1e-3)
    assert f"{written.closest_mss_db:.2f} dB MSS" in read_preset(written.closest).comments
    assert run_files(predictor, tmp_path / "out", str(tmp_path / "low.wav"), **quick).existing == 1


def test_file_work_with_a_changed_closest_preset_raises(predictor, tone, tmp_path):
    soundfile.write(tmp_path / "low.wav", tone(110).T, RATE)
    (tmp_path / "low (closest).vital").write_text("changed")
    with pytest.raises(ValueError, match=r"low \(closest\)\.vital exists, and it is not as an earlier match wrote it"):
        file_work(predictor, [tmp_path / "low.wav"], tmp_path)
    assert file_work(predictor, [tmp_path / "low.wav"], tmp_path, overwrite=True).paths


def test_file_work_with_a_sound_named_like_a_closest_preset_raises(predictor, tone, tmp_path):
    for name in ("low.wav", "low (closest).wav"):
        soundfile.write(tmp_path / name, tone(110).T, RATE)
    with pytest.raises(ValueError, match=r"the closest preset of .*low\.wav would be .*, another sound's; rename one"):
        file_work(predictor, [tmp_path], tmp_path / "out")


def test_match_many_with_names_too_long_or_not_utf_8_writes_all_that_it_can(predictor, tone, tmp_path, capsys):
    """The names of other files of a match are longer than that of the sound. Nothing is matched in vain."""
    sounds, out = tmp_path / "sounds", tmp_path / "out"
    sounds.mkdir()
    soundfile.write(tmp_path / "b.wav", tone(110).T, RATE)
    (out / "blocked-vjax.png").mkdir(parents=True)
    for name in ("a" * 232, "a" * 250, "blocked", os.fsdecode(b"caf\xe9")):
        shutil.copy(tmp_path / "b.wav", sounds / f"{name}.wav")
    report = run_files(predictor, out, str(sounds))
    assert sorted(path.stem for path in out.glob("*.vital")) == [os.fsdecode(b"caf\xe9")]
    assert sorted(read_preset(path).name for path in out.glob("*.vital")) == ["caf\ufffd"]
    *long, blocked = report.failures
    assert blocked.error.endswith(f"blocked.wav: {out / 'blocked-vjax.png'}: is a directory")
    for failure, n_bytes in zip(long, (260, 278), strict=True):
        assert f"would have {n_bytes} bytes, at most 255 are possible; make the name" in failure.error
    again = run_files(predictor, out, str(sounds), limit=4)
    assert (len(again.written), again.existing, len(again.failures)) == (0, 1, 3)
    assert sorted(path.name for path in out.glob("*.partial")) == []
