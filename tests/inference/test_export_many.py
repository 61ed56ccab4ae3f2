"""Folders and datasets to presets, in runs that may be stopped and called again; everything through the real engine."""

import csv
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
from vjax.data.layout import CATEGORICAL
from vjax.data.reader import Reader, sample_parameters
from vjax.data.store import open_dataset
from vjax.inference import predict
from vjax.inference.export_many import ExportConfig, export_many
from vjax.inference.match import MatchConfig, render_config
from vjax.inference.outputs import COLUMNS
from vjax.inference.predict import Predictor
from vjax.vital.default_vocabulary import vocabulary_of
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import read_json, read_preset
from vjax.vital.vocabulary import from_parameters

RATE = 44100
BAD = ("silent.wav", "text.wav")
PRESETS = ("kit/both-flac", "kit/both-wav", "kit/stereo", "low")
"""What the folder of sounds becomes, in the order of its files."""


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=3)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, tone):
    """Four sounds of which two differ in their ending alone, and two files that are none."""
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
    (folder / "text.wav").write_text("no sound at all")
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


@pytest.fixture(scope="module")
def exported(predictor, sounds, tmp_path_factory):
    """(report, out, TensorBoard's folder) of one run over the sounds."""
    out, board = tmp_path_factory.mktemp("out") / "presets", tmp_path_factory.mktemp("board")
    report = export_many(predictor, out, ExportConfig(tensorboard=str(board), workers=2), audio=str(sounds))
    return report, out, board


@pytest.fixture
def again(predictor, sounds, exported, tmp_path):
    """(`again(**config)`: the report of another run, its folder): a copy of what the first run left."""
    out = tmp_path / "presets"
    shutil.copytree(exported[1], out)
    return lambda **config: export_many(predictor, out, ExportConfig(workers=2, **config), audio=str(sounds)), out


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of index.csv by name, each of which occurs once."""
    with (folder / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows)
    return by_name


def times_of(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in files_of(folder) if name != "index.csv"}


def test_each_sound_has_a_preset_its_render_and_a_picture(exported, predictor):
    report, out, _ = exported
    expected = [f"{name}{end}" for name in PRESETS for end in (".vital", "-vjax.wav", "-vjax.png")]
    assert files_of(out) == sorted([*expected, "index.csv"])
    assert (report.written, report.there, report.silent) == (4, 0, 0)
    for name in PRESETS:
        assert read_preset(out / f"{name}.vital").name == Path(name).name
        audio, rate = soundfile.read(out / f"{name}-vjax.wav", dtype="float32")
        assert (audio.shape, rate) == ((predictor.samples, 2), RATE)
        with Image.open(out / f"{name}-vjax.png") as picture:
            assert picture.size[0] > picture.size[1] > 100


def test_bad_files_are_reported_by_name(exported, sounds):
    report, out, _ = exported
    assert [failure.name for failure in report.failures] == [str(sounds / name) for name in BAD]
    for failure in report.failures:
        assert failure.name in failure.error
        row = rows_of(out)[failure.name]
        assert (row["error"], row["preset"], row["mss_db"]) == (failure.error, "", "")


def test_the_index_tells_what_was_heard_and_how_far_it_is(exported, sounds, predictor):
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
        assert abs(float(row["tuned_semitones"])) > 1, "the answers of this model are out of tune"
        assert row["summary"] in read_preset(out / f"{preset}.vital").comments
        audio, _ = soundfile.read(out / f"{preset}-vjax.wav", dtype="float32")
        target = read_clip(sounds / name, RATE, predictor.samples)
        target = np.broadcast_to(target, (2, target.shape[1]))
        assert float(row["mss_db"]) == pytest.approx(float(mss(audio.T, target, RATE)), abs=2e-3)
        distances.append(float(row["mss_db"]))
    assert report.median_mss_db == pytest.approx(np.median(distances), abs=1e-3)


def test_the_written_presets_play_the_written_sounds(exported, predictor, sounds):
    _, out, _ = exported
    row = rows_of(out)[str(sounds / "low.wav")]
    config = render_config(predictor)
    with RenderPool(config, workers=1) as pool:  # the sound goes on to its end: a held note
        played = pool.render(RenderJob(read_json(row["preset"]), (int(row["note"]),), note_s=config.seconds)).audio[0]
    written, _ = soundfile.read(out / "low-vjax.wav", dtype="float32")
    np.testing.assert_array_equal(written.T, played)


def test_tensorboard_has_the_sounds_and_pictures_of_each_folder(exported):
    events = EventAccumulator(str(exported[2]))
    events.Reload()
    tags = {f"export/{name}/{end}" for name in PRESETS for end in ("target", "prediction")}
    assert set(events.Tags()["audio"]) == tags
    assert set(events.Tags()["images"]) == {f"export/{name}/comparison" for name in PRESETS}


def test_called_again_nothing_is_made_again(again, exported):
    run, out = again
    before = times_of(out)
    report = run()
    assert (report.written, report.there, report.median_mss_db) == (0, 4, None)
    assert len(report.failures) == 2
    assert times_of(out) == before
    assert rows_of(out) == rows_of(exported[1])


def test_a_stopped_run_goes_on(again):
    run, out = again
    (out / "kit" / "stereo.vital").unlink()
    before = times_of(out)
    report = run()
    assert (report.written, report.there) == (1, 3)
    changed = {name for name, time in times_of(out).items() if before.get(name) != time}
    assert changed == {f"kit/stereo{end}" for end in (".vital", "-vjax.wav", "-vjax.png")}


def test_overwrite_makes_all_again_with_one_row_each(again, exported):
    run, out = again
    before = times_of(out)
    report = run(overwrite=True, match=MatchConfig(note=48, tune=False))
    assert (report.written, report.there) == (4, 0)
    assert all(time != before[name] for name, time in times_of(out).items())
    assert [row["note"] for row in rows_of(out).values() if not row["error"]] == ["48"] * 4


def test_a_limit_takes_the_first_and_names_them_as_a_whole_run_would(predictor, sounds, tmp_path):
    config = ExportConfig(presets_only=True, limit=1)
    assert export_many(predictor, tmp_path / "out", config, audio=str(sounds)).written == 1
    assert files_of(tmp_path / "out") == ["index.csv", f"{PRESETS[0]}.vital"]
    config = ExportConfig(presets_only=True, limit=3)
    report = export_many(predictor, tmp_path / "out", config, audio=str(sounds))
    assert (report.written, report.there) == (2, 1)
    assert files_of(tmp_path / "out") == sorted(["index.csv", *(f"{name}.vital" for name in PRESETS[:3])])


def test_a_limit_does_not_count_what_cannot_be_read(predictor, sounds, tmp_path):
    """The broken file comes first: it is reported, and the limit is of sounds."""
    folder = tmp_path / "sounds"
    shutil.copytree(sounds, folder)
    shutil.copy(folder / "text.wav", folder / "kit" / "a.wav")
    shutil.copy(folder / "text.wav", folder / "kit" / "z.wav")
    config = ExportConfig(presets_only=True, limit=2)
    for written, there in ((2, 0), (0, 2)):
        report = export_many(predictor, tmp_path / "out", config, audio=str(folder))
        assert (report.written, report.there) == (written, there)
        assert [failure.name for failure in report.failures] == [str(folder / "kit" / "a.wav")]


def test_presets_only_renders_nothing_and_compiles_the_network_alone_and_once(
    engine_run, sounds, tone, tmp_path, compiles
):
    """Whatever the number of sounds: more than two batches here."""
    predictor = Predictor.from_checkpoint(engine_run, batch_size=2)
    predict._hear.clear_cache()  # other tests may have compiled this size
    many = tmp_path / "many"
    shutil.copytree(sounds, many)
    soundfile.write(many / "third.wav", tone(550).T, RATE)
    compiles.clear()
    report = export_many(predictor, tmp_path / "out", ExportConfig(presets_only=True), audio=str(many))
    assert (report.written, len(report.failures), report.median_mss_db) == (5, 2, None)
    assert compiles == ["jit(_hear)"]
    assert {Path(name).suffix for name in files_of(tmp_path / "out")} == {".vital", ".csv"}
    row = rows_of(tmp_path / "out")[str(many / "third.wav")]
    assert (row["note"], row["mss_db"]) == ("", "")
    assert row["summary"] in read_preset(row["preset"]).comments


def test_with_renders_too_the_network_is_compiled_once(engine_run, sounds, tmp_path, compiles):
    predictor = Predictor.from_checkpoint(engine_run, batch_size=7)  # as above
    compiles.clear()
    config = ExportConfig(match=MatchConfig(note=60, tune=False), workers=2)
    assert export_many(predictor, tmp_path / "out", config, audio=str(sounds)).written == 4
    assert compiles.count("jit(_hear)") == 1


def test_a_single_sound_may_name_its_preset(predictor, sounds, tmp_path):
    """Beside which nothing else appears than its sound and picture: the folder may be anyone's."""
    out = tmp_path / "any" / "mine.vital"
    for written, there in ((1, 0), (0, 1)):
        report = export_many(predictor, out, ExportConfig(workers=1), audio=str(sounds / "low.wav"))
        assert (report.written, report.there) == (written, there)
    assert files_of(out.parent) == ["mine-vjax.png", "mine-vjax.wav", "mine.vital"]
    assert read_preset(out).name == "mine"
    report = export_many(predictor, tmp_path / "other.vital", ExportConfig(), audio=str(sounds / "text.wav"))
    assert (report.written, len(report.failures)) == (0, 1)
    assert not (tmp_path / "other.vital").exists()


def test_a_folder_may_hold_both_sounds_and_presets(predictor, tone, tmp_path):
    """The renders of a first run are no sounds for the second; other sounds of that name are."""
    soundfile.write(tmp_path / "a.wav", tone(220).T, RATE)
    soundfile.write(tmp_path / "b-vjax.wav", tone(330).T, RATE)
    config = ExportConfig(workers=2)
    assert export_many(predictor, tmp_path, config, audio=str(tmp_path)).written == 2
    left = files_of(tmp_path)
    report = export_many(predictor, tmp_path, config, audio=str(tmp_path))
    assert (report.written, report.there) == (0, 2)
    assert files_of(tmp_path) == left


def test_the_rows_of_a_dataset_with_their_targets(predictor, engine_run, tmp_path):
    out = tmp_path / "out"
    report = export_many(predictor, out, ExportConfig(limit=3, workers=2), dataset=str(engine_run / "data"))
    assert (report.written, report.there, report.failures) == (3, 0, ())
    ends = (".vital", "-vjax.wav", "-vjax.png", "-target.wav")
    assert files_of(out) == sorted(["index.csv", *(f"row-{row:06d}{end}" for row in range(3) for end in ends)])
    info = open_dataset(engine_run / "data")
    reader, rows = Reader(info), rows_of(out)
    vocabulary = vocabulary_of(info.catalog_json)
    with RenderPool(render_config(predictor), workers=1) as pool:
        for row in range(3):
            parameters = sample_parameters(reader[row], info.schema)
            job = RenderJob(from_parameters(parameters, info.schema, vocabulary), (int(reader[row].midi_note),))
            written, _ = soundfile.read(out / f"row-{row:06d}-target.wav", dtype="float32")
            np.testing.assert_array_equal(written.T, pool.render(job).audio[0])
            assert int(rows[f"row {row}"]["note"]) == reader[row].midi_note
            assert rows[f"row {row}"]["pitch_hz"] == ""
    more = export_many(predictor, out, ExportConfig(presets_only=True), dataset=str(engine_run / "data"))
    assert (more.written, more.there) == (1, 3)


def test_silence_has_no_distance_and_is_counted(predictor, engine_run, tmp_path):
    """A row whose oscillator is off: its target is silent."""
    shutil.copytree(engine_run / "data", tmp_path / "data")
    with h5py.File(tmp_path / "data" / "shard-00000.h5", "r+") as file:
        file[CATEGORICAL][1, predictor.schema.position["osc_1_on"]] = 0
    config = ExportConfig(limit=2, workers=2)
    report = export_many(predictor, tmp_path / "out", config, dataset=str(tmp_path / "data"))
    assert (report.written, report.silent) == (2, 1)
    rows = rows_of(tmp_path / "out")
    assert rows["row 1"]["mss_db"] == ""
    assert float(rows["row 0"]["mss_db"]) == pytest.approx(report.median_mss_db, abs=1e-3)


def test_what_cannot_be_is_said_before_the_work(predictor, sounds, engine_run, tmp_path):
    config = ExportConfig(presets_only=True)

    def refused(message, out, **source):
        with pytest.raises((ValueError, OSError), match=message):
            export_many(predictor, out, config, **source)

    refused("names one preset, but .* is a folder", tmp_path / "x.vital", audio=str(sounds))
    refused("names one preset; give a folder", tmp_path / "x.vital", dataset=str(engine_run / "data"))
    refused("there is nothing at .*nowhere; give a sound file", tmp_path, audio=str(sounds / "nowhere"))
    refused("there is no dataset at .*nowhere", tmp_path, dataset=str(sounds / "nowhere"))
    (tmp_path / "empty").mkdir()
    refused("empty holds no sound file", tmp_path, audio=str(tmp_path / "empty"))
    (tmp_path / "file").write_text("")
    refused("file is a file; give a folder", tmp_path / "file", audio=str(sounds))
    (tmp_path / "folder.vital").mkdir()
    refused("folder.vital is a folder; give", tmp_path / "folder.vital", audio=str(sounds / "low.wav"))
    (tmp_path / "index.csv").write_text("someone else's\n")
    refused("index.csv is another table", tmp_path, audio=str(sounds))
    assert (tmp_path / "index.csv").read_text() == "someone else's\n"


def test_two_sounds_never_become_one_file(predictor, tone, tmp_path):
    for name in ("a.wav", "a.flac", "a-wav.wav"):
        soundfile.write(tmp_path / name, tone(220).T, RATE)
    with pytest.raises(ValueError, match=r"a-wav\.wav and .*a\.wav would both become .*a-wav\.vital; rename one"):
        export_many(predictor, tmp_path / "out", ExportConfig(presets_only=True), audio=str(tmp_path))
