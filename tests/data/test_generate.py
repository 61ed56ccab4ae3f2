"""Tests of `generate`: the same settings give the same bytes, and the stored data match the rendered sounds."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.distances import mss
from vjax.data import generate as generation
from vjax.data import layout
from vjax.data.generate import GenerationConfig, generate
from vjax.data.layout import DatasetError
from vjax.data.preset_bank import load_bank
from vjax.data.reader import Reader
from vjax.data.sampling import parameters_hash
from vjax.data.sampling_config import SamplingConfig
from vjax.data.shard import log_mel, rejection
from vjax.data.store import open_dataset
from vjax.engine import isolate, synth
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.pool import Rendering, RenderJob, RenderPool
from vjax.engine.schema import engine_schema
from vjax.sound.schema import Parameters, Schema
from vjax.training.config import base_config, unpack
from vjax.vital import preset
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.lfo_shapes import shape_json, shape_key, shape_values
from vjax.vital.preset import Preset, Route, read_preset, write_preset
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.vocabulary import Vocabulary, audible_lfos, audible_oscillators, from_parameters, to_preset
from vjax.vital.wavetables import table_json, table_key

REPOSITORY = Path(__file__).parents[2]
PEOPLE = Path(__file__).parent / "presets"
# A shard has two presets with two rows each.
TINY = GenerationConfig(
    render=RenderConfig(seconds=0.25, note_s=0.2), notes=(48, 60), presets_per_shard=2, seeds=2, store_audio=True
)
ROWS, SEED = 11, 5
# Three notes per preset, in the middle of the keyboard. The silence limit is so high that it rejects some candidates.
KEYBOARD = dataclasses.replace(TINY, random_notes=3, note_range=(40, 69), silence_db=-30.0)


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


def rows_of(folder: Path) -> tuple[Schema, Vocabulary, list[Parameters]]:
    """Returns (schema, vocabulary, parameters of each row) of a dataset."""
    info = open_dataset(folder)
    names = ("params/continuous", "params/categorical", "modulation/index", "modulation/value")
    columns = [column(folder, name) for name in names]
    rows = [Parameters(*arrays) for arrays in zip(*columns, strict=True)]
    return info.schema, Vocabulary.from_json_string(info.catalog_json), rows


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, generation.GenerationReport]:
    """A dataset for comparison: three workers made its 11 rows without interruption."""
    folder = tmp_path_factory.mktemp("generated") / "made"
    return folder, make(folder, workers=3)


def test_generate_writes_n_rows_in_readable_shards(made):
    folder, report = made
    info = open_dataset(folder)
    assert info.n == report.rows == ROWS
    assert len(info.counts) > 2
    assert max(info.counts) <= 4
    assert (info.tier, info.modulation, info.mel_shape) == (3, "sparse", (1, 128, 1 + TINY.render.samples // 512))
    assert info.schema == default_vocabulary().schema()
    assert (info.mel, info.render) == (dataclasses.asdict(TINY.mel), dataclasses.asdict(TINY.render))
    assert len(Reader(info)) == ROWS
    assert report.presets == len(np.unique(Reader(info).preset_hashes())) == 6
    assert not list(folder.glob("*.partial"))


def test_generate_stores_the_catalog_in_the_first_shard_only(made, tmp_path):
    folder, _ = made
    info = open_dataset(folder)
    assert info.catalog_json == default_vocabulary().to_json_string()
    for number, path in enumerate(sorted(folder.iterdir())):
        with h5py.File(path) as file:
            assert ("catalog" in file.attrs) == (number == 0)
            assert file.attrs["catalog_sha256"] == info.catalog_sha256
    shutil.copytree(folder, tmp_path / "rest")
    (tmp_path / "rest" / "shard-00000.h5").unlink()
    with pytest.raises(
        DatasetError, match=r"the wavetable catalog is missing; .*put shard-00000\.h5 beside the others"
    ):
        open_dataset(tmp_path / "rest")


def test_generate_stores_the_metadata_of_each_row(made):
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


def test_generate_stored_parameters_render_to_the_stored_sound(made):
    """The key property: vectors -> preset -> engine -> log-mel gives the stored spectrogram, bit for bit."""
    folder, _ = made
    schema, vocabulary, parameters = rows_of(folder)
    config = RenderConfig(**open_dataset(folder).render)
    notes, seeds = column(folder, "metadata/midi_note"), column(folder, "metadata/seed")
    hashes, mels = column(folder, "metadata/preset_hash"), column(folder, "features/mel_spectrogram")
    audio = column(folder, "audio/waveforms")
    rows = (0, 1, 2, ROWS - 1)
    jobs = []
    for row in rows:
        schema.validate(parameters[row])
        assert parameters_hash(parameters[row]) == hashes[row]
        sound = from_parameters(parameters[row], schema, vocabulary)
        jobs.append(RenderJob(sound, (int(notes[row]),), int(seeds[row])))
    assert len({(job.notes, job.seed) for job in jobs}) > 2
    with RenderPool(config, workers=2) as pool:
        for row, rendering in zip(rows, pool.map(jobs), strict=True):
            assert mels[row].dtype == np.float32
            np.testing.assert_array_equal(log_mel(rendering.audio, TINY.mel), mels[row])
            np.testing.assert_array_equal(rendering.audio[0].astype(np.float16), audio[row])
            assert mels[row].max() > 0.1


def test_generate_continued_with_other_workers_gives_the_same_bytes(made, tmp_path):
    """One worker makes 7 rows, with a cut last shard. Then two workers continue to 11, and remove a partial file."""
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


@pytest.fixture(scope="module")
def keyboard(tmp_path_factory) -> Path:
    """11 rows at random notes by three workers: four presets, the last at two of its three notes."""
    folder = tmp_path_factory.mktemp("generated") / "keyboard"
    make(folder, workers=3, config=KEYBOARD)
    return folder


def test_generate_with_random_notes_plays_each_preset_over_the_whole_range(keyboard):
    notes, hashes = column(keyboard, "metadata/midi_note"), column(keyboard, "metadata/preset_hash")
    assert len(notes) == ROWS
    for i in range(0, 9, 3):
        assert len(set(hashes[i : i + 3])) == 1
        assert [int(note) // 10 for note in notes[i : i + 3]] == [4, 5, 6]  # a third of 40 to 69 each
    assert hashes[9] == hashes[10]
    assert len(set(hashes)) == 4
    assert len({tuple(notes[i : i + 3]) for i in range(0, 9, 3)}) == 3
    names = [name.decode().split("-b")[1].split("-") for name in column(keyboard, "metadata/preset_name")[::3]]
    # The first candidate of a shard was rejected.
    assert any(int(candidate) for candidate in dict(reversed(names)).values())
    expected = [note for name in names for note in KEYBOARD.notes_of(SEED, *map(int, name))]
    np.testing.assert_array_equal(notes, expected[:ROWS])


@pytest.mark.slow
def test_generate_continued_with_random_notes_gives_the_same_bytes(keyboard, tmp_path):
    """One worker makes four rows, cut within a preset. Then two workers continue to 11, beside a partial file."""
    make(tmp_path / "grown", n=4, workers=1, config=KEYBOARD)
    (tmp_path / "grown" / "shard-00001.h5.partial").write_bytes(b"killed here")
    make(tmp_path / "grown", workers=2, config=KEYBOARD)
    assert contents(tmp_path / "grown") == contents(keyboard)


def test_generate_with_random_notes_stores_the_played_note(keyboard):
    schema, vocabulary, parameters = rows_of(keyboard)
    notes, seeds = column(keyboard, "metadata/midi_note"), column(keyboard, "metadata/seed")
    audio = column(keyboard, "audio/waveforms")
    rows = (1, ROWS - 1)
    jobs = []
    for row in rows:
        sound, note = from_parameters(parameters[row], schema, vocabulary), int(notes[row])
        jobs += [RenderJob(sound, (played,), int(seeds[row])) for played in (note, note + 1)]
    with RenderPool(KEYBOARD.render, workers=2) as pool:
        renderings = [rendering.audio[0].astype(np.float16) for rendering in pool.map(jobs)]
    for row, played, neighbour in zip(rows, renderings[0::2], renderings[1::2], strict=True):
        np.testing.assert_array_equal(played, audio[row])
        assert not np.array_equal(neighbour, audio[row])


@settings(deadline=None)
@given(st.integers(0, 127), st.integers(1, 128), st.data())
def test_notes_of_draws_one_note_from_each_equal_part_of_the_range(low, width, data):
    """The sizes of the parts differ by at most one note, and every note of the range can be drawn."""
    width = min(width, 128 - low)
    n = data.draw(st.integers(1, width))
    config = GenerationConfig(random_notes=n, note_range=(low, low + width - 1))
    assert config.notes_per_preset == n
    part = width / n
    for candidate in range(5):
        notes = config.notes_of(seed=1, shard=2, candidate=candidate)
        assert len(notes) == n
        for i, note in enumerate(notes):
            assert low + i * part - 1 < note < low + (i + 1) * part


def test_notes_of_many_candidates_covers_the_range_and_differs():
    config = GenerationConfig(random_notes=3)
    drawn = [config.notes_of(0, shard, candidate) for shard in range(5) for candidate in range(64)]
    assert {note for notes in drawn for note in notes} == set(range(36, 85))
    assert len(set(drawn)) > 250
    assert config.notes_of(0, 1, 0) == drawn[64]
    assert config.notes_of(1, 1, 0) != drawn[64]
    assert GenerationConfig(notes=(50, 40)).notes_of(0, 0, 0) == (50, 40)
    # The notes of the first candidate come from another random stream than the knobs of its shard.
    knobs = np.random.default_rng([0, 1])
    assert config.notes_of(0, 1, 0) != tuple(int(knobs.integers(*part)) for part in ((36, 52), (52, 68), (68, 85)))


def test_generate_with_a_finished_dataset_changes_no_file(made):
    folder, report = made
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make(folder) == report
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_generate_with_more_than_five_digits_keeps_shards_in_order(made, tmp_path, monkeypatch):
    """Sorted as text, shard 100,000 would come before shard 99,999. With one digit, this begins at shard 10."""
    monkeypatch.setattr(layout, "SHARD_DIGITS", 1)
    for number in range(12):
        shutil.copyfile(made[0] / "shard-00000.h5", tmp_path / layout.shard_name(number))
    before = contents(tmp_path)
    assert {"shard-9.h5", "shard-10.h5"} <= before.keys()
    rows = open_dataset(tmp_path).n
    assert make(tmp_path, n=rows).rows == rows
    assert contents(tmp_path) == before


def test_generate_with_fewer_rows_than_stored_is_refused(made):
    with pytest.raises(DatasetError, match="made already contains 11 rows, more than the 10 requested"):
        make(made[0], n=10)


@pytest.mark.parametrize(
    ("changes", "seed", "named"),
    [
        ({}, 1, r"\(seed 5 then, 1 now\)"),
        ({"random_notes": 2}, SEED, r"\(random_notes 0 then, 2 now\)"),
        ({"note_range": (40, 60)}, SEED, r"\(note_range \[36, 84\] then, \[40, 60\] now\)"),
        ({"silence_db": -60.0}, SEED, r"\(silence_db -70\.0 then, -60\.0 now\)"),
        ({"sampling": SamplingConfig(max_routes=3)}, SEED, r"sampling .*'max_routes': 20.* then, .*'max_routes': 3"),
        ({"render": dataclasses.replace(TINY.render, note_s=0.1)}, SEED, r"render .*0\.2.* then, .*0\.1.* now"),
    ],
)
def test_generate_with_other_settings_in_the_folder_names_them(made, changes, seed, named):
    before = contents(made[0])
    with pytest.raises(DatasetError, match=rf"shard-00000\.h5 was made with other settings .*{named}.*another --out"):
        make(made[0], n=20, config=dataclasses.replace(TINY, **changes), seed=seed)
    assert contents(made[0]) == before


def test_generate_with_another_timeout_keeps_the_shards(made):
    config = dataclasses.replace(TINY, render=dataclasses.replace(TINY.render, timeout_s=300.0))
    assert make(made[0], config=config) == made[1]


VARIED = dataclasses.replace(TINY, presets_per_shard=6, sampling=SamplingConfig(variants=3))


@pytest.mark.slow
def test_generate_with_variants_gives_the_same_bytes_with_other_workers(tmp_path):
    make(tmp_path / "one", 20, VARIED, workers=1)
    make(tmp_path / "two", 7, VARIED, workers=2)
    make(tmp_path / "two", 20, VARIED, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    sources = column(tmp_path / "one", "metadata/source").astype(str)
    assert {"prior", "variant"} == set(sources)
    assert len(np.unique(column(tmp_path / "one", layout.PRESET_HASH))) < len(sources) / 2 / 2
    with pytest.raises(DatasetError, match=r"sampling .*'variants': 3.* then"):
        make(tmp_path / "one", 30, dataclasses.replace(VARIED, sampling=SamplingConfig()))


def test_generate_without_oversampling_gives_other_but_similar_sounds(made, tmp_path):
    folder, _ = made
    make(tmp_path, 4, dataclasses.replace(TINY, oversampling=False))
    exact, fast = (column(where, layout.WAVEFORMS)[:4].astype(np.float32) for where in (folder, tmp_path))
    assert not np.array_equal(exact, fast)
    assert np.median([float(mss(a, b)) for a, b in zip(exact, fast, strict=True)]) < 3


def test_generate_with_unrelated_files_in_the_folder_keeps_them(tmp_path):
    (tmp_path / "thesis.docx.partial").write_text("unsaved")
    (tmp_path / "old.h5").write_text("results")
    with pytest.raises(DatasetError, match=r"contains old\.h5 where shard-00000\.h5 belongs"):
        make(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.docx.partial", "old.h5"}


def test_generate_with_a_missing_shard_names_it(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "gap")
    (tmp_path / "gap" / "shard-00001.h5").unlink()
    with pytest.raises(DatasetError, match=r"contains shard-00002\.h5 where shard-00001\.h5 belongs"):
        make(tmp_path / "gap")


def test_generate_at_tier_1_in_float16_stores_no_routes(tmp_path):
    config = dataclasses.replace(
        TINY, sampling=SamplingConfig(tier=1), notes=(60,), mel_dtype="float16", store_audio=False
    )
    (tmp_path / "thesis.docx.partial").write_text("a file of another program, which must stay")
    make(tmp_path, n=2, config=config)
    assert (tmp_path / "thesis.docx.partial").exists()
    info = open_dataset(tmp_path)
    assert (info.tier, info.modulation, info.n) == (1, "none", 2)
    with h5py.File(info.paths[0]) as file:
        assert "modulation" not in file
        assert "audio" not in file
        assert file["features/mel_spectrogram"].dtype == np.float16
        assert 0.1 < file["features/mel_spectrogram"][...].max() < 20


def test_log_mel_of_a_row_does_not_depend_on_the_batch():
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (35, 2, TINY.render.samples)).astype(np.float32)
    together = log_mel(audio, TINY.mel)
    assert together.shape == (35, 128, 1 + TINY.render.samples // 512)
    np.testing.assert_array_equal(together[[0, 31, 33]], log_mel(audio[[0, 31, 33]], TINY.mel))


def test_rejection_of_unusable_sounds_returns_the_reason():
    def check(audio):
        return rejection(Rendering(np.asarray(audio, np.float32)), silence_db=-60)

    sound = 0.1 * np.sin(np.arange(2 * 2 * 1000).reshape(2, 2, 1000))
    assert check(sound) == ""
    broken, loud, half = sound.copy(), sound.copy(), sound.copy()
    broken[1, 0, 7] = np.nan
    loud[0, 1, 500] = -1.01
    half[1] *= 0.01  # one of two notes at -63 dB
    assert check(broken) == "nan"
    assert check(loud) == "clipping"
    assert check(half) == "silent"
    assert check(half * 2) == ""
    assert check(np.full_like(sound, np.inf)) == "nan"
    for error, reason in (
        ("crashed: ended by SIGSEGV", "crashed"),
        ("hung: no result within 30 s", "hung"),
        ("invalid: volume is nan", "invalid"),
    ):
        assert rejection(Rendering(None, error), silence_db=-60) == reason


def vital(**values: float) -> dict:
    made = json.loads(json.dumps(synth.init_preset()))
    made["settings"] |= values
    return made


def test_generate_with_silent_presets_counts_them_as_rejected(tmp_path):
    """Of three presets, one would crash the engine, one is valid and one is silent."""
    bad = vital()
    bad["settings"]["wavetables"][0]["groups"][0]["components"][0]["type"] = "No Such Source"  # crashes the engine
    (tmp_path / "a").mkdir()
    write_preset(tmp_path / "a" / "bad.vital", bad)
    write_preset(tmp_path / "a" / "good.vital", vital(osc_1_level=0.6))
    write_preset(tmp_path / "a" / "quiet.vital", vital(osc_1_on=0.0))
    config = dataclasses.replace(
        TINY, sampling=SamplingConfig(preset_share=1.0), notes=(48,), presets_per_shard=8, store_audio=False
    )
    report = make(tmp_path / "out", n=7, config=config, seed=1, presets=tmp_path / "a")
    assert open_dataset(tmp_path / "out").n == report.rows == 7
    assert report.rejected["silent"] > 0
    assert report.rejected_share == sum(report.rejected.values()) / (sum(report.rejected.values()) + 7)
    sources = set(column(tmp_path / "out", "metadata/source"))
    assert sources <= {b"preset", b"crossover", b"mutation"}
    assert not any(b"bad" in name for name in column(tmp_path / "out", "metadata/preset_name"))


def test_generate_with_renders_that_time_out_reports_each(tmp_path, capsys):
    """No render ends within 10 microseconds."""
    config = dataclasses.replace(TINY, render=dataclasses.replace(TINY.render, timeout_s=1e-5), notes=(48,))
    with pytest.raises(ValueError, match=r"shard 0: every candidate was rejected \({'hung': 2}\)"):
        make(tmp_path, config=config)
    assert "s5-b0-1: hung: no result within 2e-05 s; left out" in capsys.readouterr().out


def test_generate_with_an_engine_that_cannot_start_rejects_no_candidate(tmp_path, monkeypatch):
    """The bytes of a shard must not depend on the machine."""

    def no_process(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(isolate, "start_process", no_process)
    with pytest.raises(MachineError, match="the engine cannot run on this machine"):
        make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_generate_with_only_silent_candidates_raises_an_error(tmp_path):
    config = dataclasses.replace(TINY, silence_db=40.0, presets_per_shard=2, notes=(48,))
    with pytest.raises(ValueError, match=r"shard 0: every candidate was rejected \({'silent': 2}\)"):
        make(tmp_path, config=config)


def test_load_bank_with_unreadable_files_warns_and_skips_them(tmp_path):
    write_preset(tmp_path / "good.vital", vital(osc_1_level=0.25))
    (tmp_path / "nan.vital").write_text(json.dumps(vital(osc_1_level=float("nan"))))
    (tmp_path / "text.vital").write_text("hello")
    (tmp_path / "folder.vital").mkdir()
    (tmp_path / "folder.vital" / "inner.vital").write_text(json.dumps(vital(osc_1_level=0.75)))
    (tmp_path / "notes.txt").write_text("not a preset")
    warnings = []
    bank = load_bank(tmp_path, warn=warnings.append)
    assert [name for name, _ in bank.entries] == ["inner", "good"]
    level = engine_schema().position["osc_1_level"]
    np.testing.assert_allclose([parameters.continuous[level] for _, parameters in bank.entries], [0.75, 0.25])
    assert len(warnings) == 2
    assert any("nan.vital" in text and "osc_1_level is nan" in text for text in warnings)
    assert any("text.vital" in text and "not JSON" in text for text in warnings)


OWN_TABLE = table_json("Mine", np.cos(np.arange(2048))[None])
DRAWN = shape_json("Triangle", [(0, 0.3), (0.2, 1), (1, 0.1)], bend=2)


def preset_of(*routes: Route, switches: dict[str, int] | None = None, **parts) -> Preset:
    """The init patch with these routes, menu indices and other parts."""
    init = preset.init()
    categorical = init.categorical.copy()
    for name, index in (switches or {}).items():
        categorical[preset.controls().position[name]] = index
    routes = (*routes, *init.routes[len(routes) :])
    return dataclasses.replace(init, continuous=init.continuous.copy(), categorical=categorical, routes=routes, **parts)


def test_load_bank_adds_only_audible_wavetables_and_shapes(tmp_path):
    """Oscillators 1 and 3 play the same table under two names, and LFO 2 has a drawn shape. Others are inaudible."""
    unused_table, unused_shape = table_json("Off", np.sin(np.arange(2048))[None]), {**DRAWN, "smooth": True}
    square, hat = standard_catalog().tables[3], {**default_vocabulary().lfo_shapes.shapes[17], "name": "My own"}
    own = preset_of(
        Route("lfo_2", "osc_1_level", 0.5),
        Route("lfo_3", "osc_1_pan", 0.5),
        Route("lfo_4", "osc_1_pan", 0.5, bypass=True),
        switches={"osc_3_on": 1},
        wavetables=(OWN_TABLE, unused_table, {**OWN_TABLE, "name": "Mine as well", "author": "me"}),
        lfo_shapes=(unused_shape, DRAWN, hat, unused_shape, *preset.init().lfo_shapes[4:]),
    )
    other = preset_of(wavetables=({**square, "name": "Init"}, unused_table, unused_table))
    write_preset(tmp_path / "own.vital", own.to_json())
    write_preset(tmp_path / "zother.vital", other.to_json())
    bank = load_bank(tmp_path)
    shipped = default_vocabulary()
    vocabulary = bank.vocabulary
    assert vocabulary.wavetables.names == (*shipped.wavetables.names, "Mine")
    assert len(vocabulary.lfo_shapes) == len(shipped.lfo_shapes) + 1
    assert shape_key(vocabulary.lfo_shapes.shapes[-1]) == shape_key(DRAWN)
    schema = vocabulary.schema()
    (_, first), (_, second) = bank.entries
    new = len(shipped.wavetables)

    def choices(parameters: Parameters, names: str, n: int) -> list[int]:
        return [int(parameters.categorical[schema.position[names.format(i + 1)]]) for i in range(n)]

    assert choices(first, "osc_{}_wavetable", 3) == [new, 0, new]
    assert choices(first, "lfo_{}_shape", 8) == [0, len(shipped.lfo_shapes), 17, 0, 0, 0, 0, 0]
    assert choices(second, "osc_{}_wavetable", 3) == [3, 0, 0]


def test_load_bank_keeps_wavetables_shapes_and_route_chains():
    bank = load_bank(PEOPLE)
    schema = bank.vocabulary.schema()
    back = {name: to_preset(parameters, schema, bank.vocabulary) for name, parameters in bank.entries}
    assert len(back) == 5
    for name, converted in back.items():
        original = read_preset(PEOPLE / f"{name}.vital")
        assert audible_oscillators(original) == audible_oscillators(converted) != []
        assert audible_lfos(original) == audible_lfos(converted)
        for i in audible_oscillators(original):
            assert table_key(converted.wavetables[i]) == table_key(original.wavetables[i])
        for i in audible_lfos(original):
            np.testing.assert_array_equal(shape_values(converted.lfo_shapes[i]), shape_values(original.lfo_shapes[i]))
    assert audible_lfos(back["Chippy_Klassic"]) == [0]
    assert not np.allclose(
        shape_values(back["Chippy_Klassic"].lfo_shapes[0]), shape_values(preset.init().lfo_shapes[0])
    )
    pad = back["Drifting_Pad_1108Redux"].routes
    (chain,) = (route for route in pad if route and route.destination.startswith("modulation_"))
    target = pad[int(chain.destination.split("_")[1]) - 1]
    assert (chain.source, target.source, target.destination) == ("macro_control_1", "random_1", "osc_1_wave_frame")


def test_generate_stores_route_chains_and_shapes_of_a_bank_preset(tmp_path):
    """The file has gaps between its slots. Its routes are compared after the conversion to rows and back."""
    empty = None
    one = preset_of(
        Route("macro_control_1", "modulation_5_amount", 0.8, bipolar=True),
        empty,
        Route("env_2", "modulation_1_power", -0.4),
        empty,
        Route("lfo_1", "osc_1_level", 0.5, power=1.5),
        Route("velocity", "osc_1_pan", 0.25, stereo=True),
        lfo_shapes=(DRAWN, *preset.init().lfo_shapes[1:]),
    )
    one.continuous[preset.controls().position["macro_control_1"]] = 0.6  # the sampler would raise a lower value
    (tmp_path / "people").mkdir()
    write_preset(tmp_path / "people" / "one.vital", one.to_json())
    config = dataclasses.replace(TINY, sampling=SamplingConfig(preset_share=1.0), notes=(48,), store_audio=False)
    make(tmp_path / "out", n=4, config=config, presets=tmp_path / "people")
    schema, vocabulary, rows = rows_of(tmp_path / "out")
    origins = column(tmp_path / "out", "metadata/source")
    kept = [row for row, origin in zip(rows, origins, strict=True) if origin in (b"preset", b"crossover")]
    assert kept  # a crossover of a preset with itself is the same preset
    for row in kept:
        back = to_preset(row, schema, vocabulary)
        assert [shape_key(shape) for shape in back.lfo_shapes] == [shape_key(shape) for shape in one.lfo_shapes]
        used = [route for route in back.routes if route is not None]
        assert back.routes[: len(used)] == tuple(used)
        plain = {route.source: route for route in used if not route.destination.startswith("modulation_")}
        assert plain == {"lfo_1": one.routes[4], "velocity": one.routes[5]}
        slots = {route.source: i for i, route in enumerate(used, start=1)}
        amount, power = (used[slots[source] - 1] for source in ("macro_control_1", "env_2"))
        assert amount == one.routes[0]._replace(destination=f"modulation_{slots['lfo_1']}_amount", amount=amount.amount)
        assert power == one.routes[2]._replace(
            destination=f"modulation_{slots['macro_control_1']}_power", amount=power.amount
        )
        assert (amount.amount, power.amount) == pytest.approx((0.8, -0.4))


def test_load_bank_without_a_folder_returns_the_shipped_vocabulary():
    bank = load_bank(None)
    assert bank.entries == ()
    assert bank.vocabulary is default_vocabulary()


@pytest.mark.parametrize(
    ("name", "message"),
    [("empty", r"empty contains no readable \.vital file"), ("missing", r"there is nothing at .*missing;")],
)
def test_load_bank_of_a_folder_without_presets_names_it(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        load_bank(tmp_path / name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"notes": ()}, r"notes=\(\)"),
        ({"notes": (60, 128)}, r"notes=\(60, 128\); give MIDI notes from 0 to 127"),
        ({"random_notes": -1}, r"random_notes=-1 in note_range=\(36, 84\)"),
        ({"random_notes": 4, "note_range": (60, 62)}, r"random_notes=4 in note_range=\(60, 62\); .* notes in it"),
        ({"note_range": (62, 60)}, r"note_range=\(62, 60\)"),
        ({"note_range": (-1, 60)}, r"note_range=\(-1, 60\)"),
        ({"note_range": (60, 128)}, r"note_range=\(60, 128\); give a range of MIDI notes from 0 to 127"),
        ({"presets_per_shard": 0}, "presets_per_shard=0"),
        ({"seeds": 0}, "seeds=0"),
        ({"mel_dtype": "int8"}, "mel_dtype='int8'; choose 'float32' or 'float16'"),
        ({"render": RenderConfig(sample_rate=48000)}, r"mel\.sample_rate=44100 differs from render\.sample_rate=48000"),
    ],
)
def test_generation_config_with_invalid_values_names_them(fields, message):
    with pytest.raises(ValueError, match=message):
        GenerationConfig(**fields)


def test_generate_with_zero_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="n=0; it must be at least 1"):
        make(tmp_path, n=0)


SMOKE_ROWS, SMOKE_SEED = 6, 3


def script(out: Path, *flags: str) -> list[str]:
    overrides = ("render.seconds=0.25", "render.note_s=0.2", "presets_per_shard=2", "random_notes=2")
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


@pytest.mark.slow
def test_generate_continued_after_a_kill_gives_the_same_bytes(tmp_path):
    """The run gets SIGKILL after its first shard and is started again. A run in this process is the reference."""
    killed = tmp_path / "killed"
    process = subprocess.Popen(script(killed), cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (killed / "shard-00000.h5").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    n_before = open_dataset(killed).n
    assert 0 < n_before < SMOKE_ROWS
    (killed / "shard-00009.h5.partial").write_bytes(b"half a shard")
    before = contents(killed)

    again = subprocess.run(script(killed), cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert f"{SMOKE_ROWS} rows of" in again.stdout
    assert "rejected:" in again.stdout

    recipe = base_config(tier=3, variant="smoke")
    recipe.generation.update({"presets_per_shard": 2, "random_notes": 2})
    recipe.generation.render.update({"seconds": 0.25, "note_s": 0.2})
    report = make(tmp_path / "whole", n=SMOKE_ROWS, config=unpack(recipe).generation, seed=SMOKE_SEED)
    assert contents(killed) == contents(tmp_path / "whole")
    assert f"{report.rows} rows of {report.presets} presets" in again.stdout
    done = [name for name in before if name.endswith(".h5")]
    assert all(contents(killed)[name] == before[name] for name in done)


def test_generate_script_with_another_seed_prints_one_error_line(made):
    """The folder holds data of another seed."""
    failed = subprocess.run(script(made[0]), cwd=REPOSITORY, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "generate.py: " in failed.stderr
    assert "seed 5 then, 3 now" in failed.stderr
