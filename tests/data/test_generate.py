"""Generated datasets: the bytes repeat however they came about, and what is stored is what was heard."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from vjax.data import generate as generation
from vjax.data.generate import GenerationConfig, generate, load_bank, log_mel, rejection
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.sampling import SamplingConfig, parameters_hash
from vjax.data.store import open_dataset
from vjax.schema import Parameters, Schema
from vjax.training.config import base_config, unpack
from vjax.vital import engine
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import Rendering, RenderJob, RenderPool
from vjax.vital.preset import from_parameters, read_preset, write_preset
from vjax.vital.wavetables import WavetableCatalog, standard_catalog, table_json

REPOSITORY = Path(__file__).parents[2]
# Two presets make a shard, each with two rows.
TINY = GenerationConfig(
    render=RenderConfig(seconds=0.25, note_s=0.2), notes=(48, 60), presets_per_shard=2, seeds=2, store_audio=True
)
ROWS, SEED = 11, 5


def make(out, n=ROWS, config=TINY, seed=SEED, workers=2, presets=None):
    return generate(config, out, n, seed=seed, workers=workers, presets=presets, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def column(folder: Path, name: str) -> np.ndarray:
    """A dataset of all shards, one after another."""
    parts = []
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as file:
            parts.append(file[name][...])
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, generation.GenerationReport]:
    """The dataset that others are compared with: 11 rows by three workers, never interrupted."""
    folder = tmp_path_factory.mktemp("generated") / "made"
    return folder, make(folder, workers=3)


def test_exactly_n_rows_in_shards_that_open(made):
    folder, report = made
    info = open_dataset(folder)
    assert info.n == report.rows == ROWS
    assert len(info.counts) > 2
    assert max(info.counts) <= 4
    assert (info.tier, info.modulation, info.mel_shape) == (3, "sparse", (1, 128, 1 + TINY.render.samples // 512))
    assert info.schema == Schema.from_engine(24)
    assert WavetableCatalog.from_json_string(info.catalog_json) == standard_catalog()
    assert info.mel == dataclasses.asdict(TINY.mel)
    assert len(Reader(info)) == ROWS
    assert report.presets == len(np.unique(Reader(info).preset_hashes())) == 6
    assert not list(folder.glob("*.partial"))


def test_rows_say_what_they_are(made):
    folder, _ = made
    notes, seeds, names = (column(folder, f"metadata/{name}") for name in ("midi_note", "seed", "preset_name"))
    hashes = column(folder, "metadata/preset_hash")
    assert (notes[0::2] == 48).all()
    assert (notes[1::2] == 60).all()
    assert (hashes[0:10:2] == hashes[1:11:2]).all()  # both notes of a preset
    blocks, candidates = zip(*(name.decode().split("-b")[1].split("-") for name in names), strict=True)
    np.testing.assert_array_equal(seeds, np.array(candidates, int) % 2)
    assert all(name.startswith(b"s5-") for name in names)
    assert list(map(int, blocks)) == sorted(map(int, blocks))
    assert set(column(folder, "metadata/source")) == {b"prior"}
    assert set(column(folder, "metadata/tier")) == {3}
    np.testing.assert_allclose(column(folder, "metadata/velocity"), 0.8)


def test_stored_numbers_make_the_stored_sound_again(made):
    """The key property: vectors -> preset -> engine -> log-mel gives the stored picture, bit for bit."""
    folder, _ = made
    with h5py.File(folder / "shard-00000.h5") as file:
        schema = Schema.from_json(file.attrs["schema"])
        catalog = WavetableCatalog.from_json_string(file.attrs["catalog"])
        config = RenderConfig(**json.loads(file.attrs["render"]))
    names = ("params/continuous", "params/categorical", "modulation/index", "modulation/value")
    columns = Parameters(*(column(folder, name) for name in names))
    notes, seeds = column(folder, "metadata/midi_note"), column(folder, "metadata/seed")
    hashes, mels = column(folder, "metadata/preset_hash"), column(folder, "features/mel_spectrogram")
    audio = column(folder, "audio/waveforms")
    rows = (0, 1, 2, ROWS - 1)
    jobs = []
    for row in rows:
        parameters = Parameters(*(array[row] for array in columns))
        schema.validate(parameters)
        assert parameters_hash(parameters) == hashes[row]
        preset = from_parameters(parameters, schema, catalog)
        jobs.append(RenderJob(preset, (int(notes[row]),), int(seeds[row])))
    assert len({(job.notes, job.seed) for job in jobs}) > 2
    with RenderPool(config, workers=2) as pool:
        for row, rendering in zip(rows, pool.map(jobs), strict=True):
            assert mels[row].dtype == np.float32
            np.testing.assert_array_equal(log_mel(rendering.audio, TINY.mel), mels[row])
            np.testing.assert_array_equal(rendering.audio[0].astype(np.float16), audio[row])
            assert mels[row].max() > 0.1


def test_more_rows_with_another_worker_count_end_with_the_same_bytes(made, tmp_path):
    """7 rows by one worker, the last shard cut, then 11 by two: as 11 at once by three. Scraps of a killed run go."""
    folder, _ = made
    first = make(tmp_path / "grown", n=7, workers=1)
    assert (first.rows, open_dataset(tmp_path / "grown").n) == (7, 7)
    partly, whole = contents(tmp_path / "grown"), contents(folder)
    cut = sorted(partly)[-1]
    assert partly.pop(cut) != whole[cut]
    assert partly
    assert all(whole[name] == data for name, data in partly.items())
    (tmp_path / "grown" / "shard-00009.h5.partial").write_bytes(b"killed here")
    assert make(tmp_path / "grown", workers=2) == made[1]
    assert contents(tmp_path / "grown") == whole


def test_a_finished_dataset_is_left_alone(made):
    folder, report = made
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make(folder) == report
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_fewer_rows_are_refused(made):
    with pytest.raises(DatasetError, match="made already holds 11 rows, more than the 10 asked for"):
        make(made[0], n=10)


@pytest.mark.parametrize(
    ("changes", "seed", "named"),
    [
        ({}, 1, r"\(seed 5 there, 1 now\)"),
        ({"silence_db": -60.0}, SEED, r"\(silence_db -70\.0 there, -60\.0 now\)"),
        ({"sampling": SamplingConfig(max_routes=3)}, SEED, r"sampling .*'max_routes': 20.* there, .*'max_routes': 3"),
        ({"render": dataclasses.replace(TINY.render, note_s=0.1)}, SEED, r"render .*0\.2.* there, .*0\.1.* now"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused_by_name(made, changes, seed, named):
    before = contents(made[0])
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5 was made with other settings .*{named}.*another --out"):
        make(made[0], n=20, config=dataclasses.replace(TINY, **changes), seed=seed)
    assert contents(made[0]) == before


def test_the_time_limit_is_no_setting_of_the_data(made):
    patient = dataclasses.replace(TINY, render=dataclasses.replace(TINY.render, timeout_s=300.0))
    assert make(made[0], config=patient) == made[1]


def test_other_peoples_files_are_not_touched(tmp_path):
    (tmp_path / "thesis.docx.partial").write_text("unsaved")
    (tmp_path / "old.h5").write_text("results")
    with pytest.raises(DatasetError, match=r"holds old\.h5 where shard-00000\.h5 belongs"):
        make(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.docx.partial", "old.h5"}


def test_a_gap_between_shards_is_named(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "gap")
    (tmp_path / "gap" / "shard-00001.h5").unlink()
    with pytest.raises(DatasetError, match=r"holds shard-00002\.h5 where shard-00001\.h5 belongs"):
        make(tmp_path / "gap")


def test_tier_1_stores_no_routes_and_half_precision_on_request(tmp_path):
    config = dataclasses.replace(
        TINY, sampling=SamplingConfig(tier=1), notes=(60,), mel_dtype="float16", store_audio=False
    )
    (tmp_path / "thesis.docx.partial").write_text("somebody else's, not to be tidied away")
    make(tmp_path, n=2, config=config)
    assert (tmp_path / "thesis.docx.partial").exists()
    info = open_dataset(tmp_path)
    assert (info.tier, info.modulation, info.n) == (1, "none", 2)
    with h5py.File(info.paths[0]) as file:
        assert "modulation" not in file
        assert "audio" not in file
        assert file["features/mel_spectrogram"].dtype == np.float16
        assert 0.1 < file["features/mel_spectrogram"][...].max() < 20


def test_log_mel_does_not_depend_on_the_batch():
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (35, 2, TINY.render.samples)).astype(np.float32)
    together = log_mel(audio, TINY.mel)
    assert together.shape == (35, 128, 1 + TINY.render.samples // 512)
    np.testing.assert_array_equal(together[[0, 31, 33]], log_mel(audio[[0, 31, 33]], TINY.mel))


def test_rejection_names_the_reason():
    def verdict(audio):
        return rejection(Rendering(np.asarray(audio, np.float32)), silence_db=-60)

    sound = 0.1 * np.sin(np.arange(2 * 2 * 1000).reshape(2, 2, 1000))
    assert verdict(sound) == ""
    broken, loud, half = sound.copy(), sound.copy(), sound.copy()
    broken[1, 0, 7] = np.nan
    loud[0, 1, 500] = -1.01
    half[1] *= 0.01  # one of two notes at -63 dB
    assert verdict(broken) == "nan"
    assert verdict(loud) == "clipping"
    assert verdict(half) == "silent"
    assert verdict(half * 2) == ""
    assert verdict(np.full_like(sound, np.inf)) == "nan"
    for error, reason in (
        ("crashed: ended by SIGSEGV", "crashed"),
        ("hung: no answer within 30 s", "hung"),
        ("invalid: volume is nan", "invalid"),
    ):
        assert rejection(Rendering(None, error), silence_db=-60) == reason


def vital(**values: float) -> dict:
    preset = json.loads(json.dumps(engine.init_preset()))
    preset["settings"] |= values
    return preset


def test_presets_that_crash_the_engine_or_say_nothing_are_left_out_and_counted(tmp_path, capsys):
    """Three people's presets: one with a wavetable that takes the real engine down, one fine, one silent."""
    bad = vital()
    bad["settings"]["wavetables"][0] = table_json("Broken", np.sin(np.arange(2048))[None])
    bad["settings"]["wavetables"][0]["groups"][0]["components"][0]["type"] = "No Such Source"
    (tmp_path / "a").mkdir()
    write_preset(tmp_path / "a" / "bad.vital", bad)
    write_preset(tmp_path / "a" / "good.vital", vital(osc_1_level=0.6))
    write_preset(tmp_path / "a" / "quiet.vital", vital(osc_1_on=0.0))
    config = dataclasses.replace(
        TINY, sampling=SamplingConfig(preset_share=1.0), notes=(48,), presets_per_shard=8, store_audio=False
    )
    report = make(tmp_path / "out", n=7, config=config, seed=1, presets=tmp_path / "a")
    info = open_dataset(tmp_path / "out")
    assert info.n == report.rows == 7
    assert report.rejected["crashed"] > 0
    assert report.rejected["silent"] > 0
    rejected = sum(report.rejected.values())
    assert report.rejected_share == rejected / (rejected + 7)
    crashing = WavetableCatalog.from_json_string(info.catalog_json).find(bad["settings"]["wavetables"][0])
    assert crashing == 24  # it is in the catalog
    assert not (column(tmp_path / "out", "params/categorical")[:, -3:] == crashing).any()
    assert "crashed" in capsys.readouterr().out
    sources = set(column(tmp_path / "out", "metadata/source"))
    assert sources <= {b"preset", b"crossover", b"mutation"}


def test_a_shard_without_any_sound_is_an_error(tmp_path):
    config = dataclasses.replace(TINY, silence_db=40.0, presets_per_shard=2, notes=(48,))
    with pytest.raises(ValueError, match=r"shard 0: every candidate was rejected \({'silent': 2}\)"):
        make(tmp_path, config=config)


def test_the_bank_leaves_unreadable_files_out_and_says_so(tmp_path):
    write_preset(tmp_path / "good.vital", vital(osc_1_level=0.25))
    (tmp_path / "nan.vital").write_text(json.dumps(vital(osc_1_level=float("nan"))))
    (tmp_path / "text.vital").write_text("hello")
    (tmp_path / "folder.vital").mkdir()
    (tmp_path / "folder.vital" / "inner.vital").write_text(json.dumps(vital(osc_1_level=0.75)))
    (tmp_path / "notes.txt").write_text("no preset")
    said = []
    bank = load_bank(tmp_path, warn=said.append)
    assert [name for name, _ in bank.entries] == ["inner", "good"]
    place = Schema.from_engine().position["osc_1_level"]
    np.testing.assert_allclose([parameters.continuous[place] for _, parameters in bank.entries], [0.75, 0.25])
    assert len(said) == 3
    assert any("nan.vital" in text and "osc_1_level is nan" in text for text in said)
    assert any("text.vital" in text and "not JSON" in text for text in said)
    assert any("folder.vital" in text for text in said)


def test_the_bank_brings_its_wavetables(tmp_path):
    own = vital()
    own["settings"]["wavetables"][1] = table_json("Mine", np.cos(np.arange(2048))[None])
    write_preset(tmp_path / "own.vital", own)
    bank = load_bank(tmp_path)
    assert (len(bank.catalog), bank.catalog.names[24]) == (25, "Mine")
    schema = Schema.from_engine(25)
    ((_, parameters),) = bank.entries
    assert [int(parameters.categorical[schema.position[f"osc_{i}_wavetable"]]) for i in (1, 2, 3)] == [0, 24, 0]
    assert read_preset(tmp_path / "own.vital") == own


def test_without_presets_the_bank_is_the_standard_catalog():
    assert load_bank(None) == generation.Bank((), standard_catalog())


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_presets_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=rf"{name} holds no readable \.vital file"):
        load_bank(tmp_path / name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"notes": ()}, r"notes=\(\)"),
        ({"notes": (60, 128)}, r"notes=\(60, 128\); give MIDI notes from 0 to 127"),
        ({"presets_per_shard": 0}, "presets_per_shard=0"),
        ({"seeds": 0}, "seeds=0"),
        ({"mel_dtype": "int8"}, "mel_dtype='int8'; choose 'float32' or 'float16'"),
        ({"render": RenderConfig(sample_rate=48000)}, r"mel\.sample_rate=44100 differs from the renders' 48000"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        GenerationConfig(**fields)


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n=0; ask for at least one row"):
        make(tmp_path, n=0)


SMOKE_ROWS, SMOKE_SEED = 6, 3


def script(out: Path, *flags: str) -> list[str]:
    overrides = ("render.seconds=0.25", "render.note_s=0.2", "presets_per_shard=2")
    return [
        sys.executable,
        "scripts/generate.py",
        f"--config={REPOSITORY / 'configs' / 'tier3.py'}:smoke",
        *(f"--config.generation.{override}" for override in overrides),
        f"--n={SMOKE_ROWS}",
        f"--seed={SMOKE_SEED}",
        "--workers=1",
        f"--out={out}",
        *flags,
    ]


def test_a_killed_run_started_again_equals_one_that_was_not_killed(tmp_path):
    """SIGKILL once a shard is there; then the same command again; against a run in this process."""
    killed = tmp_path / "killed"
    process = subprocess.Popen(script(killed), cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (killed / "shard-00000.h5").exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    n_before = open_dataset(killed).n
    assert 0 < n_before < SMOKE_ROWS
    (killed / "shard-00009.h5.partial").write_bytes(b"half a shard")
    survivors = contents(killed)

    again = subprocess.run(script(killed), cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert f"{SMOKE_ROWS} rows of" in again.stdout
    assert "rejected:" in again.stdout

    recipe = base_config(tier=3, variant="smoke")
    recipe.generation.update({"presets_per_shard": 2})
    recipe.generation.render.update({"seconds": 0.25, "note_s": 0.2})
    report = make(tmp_path / "whole", n=SMOKE_ROWS, config=unpack(recipe).generation, seed=SMOKE_SEED)
    assert contents(killed) == contents(tmp_path / "whole")
    assert f"{report.rows} rows of {report.presets} presets" in again.stdout
    done = [name for name in survivors if name.endswith(".h5")]
    assert all(contents(killed)[name] == survivors[name] for name in done)


def test_the_command_says_in_one_line_what_is_wrong(made):
    """Another seed in a folder that is in use."""
    failed = subprocess.run(script(made[0]), cwd=REPOSITORY, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "scripts/generate.py: " in failed.stderr
    assert "seed 5 there, 3 now" in failed.stderr
