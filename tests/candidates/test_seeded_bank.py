"""Tests of a bank whose presets are drawn again: it finds its sounds, returns their presets, and is checked."""

import dataclasses
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from vjax.candidates import seeded_bank
from vjax.candidates.bank import CHECKPOINT_BANK, checkpoint_bank
from vjax.candidates.seeded_bank import encode, write_seeded_bank
from vjax.candidates.sound_bank import index_mel
from vjax.data.generate import generate
from vjax.data.layout import DatasetError
from vjax.data.preset_bank import load_bank
from vjax.data.reader import Reader, sample_parameters
from vjax.data.sampling_config import SamplingConfig
from vjax.data.shard import GenerationConfig
from vjax.data.store import open_dataset
from vjax.engine.config import RenderConfig
from vjax.vital.vocabulary import to_preset

PRESETS = Path(__file__).parents[1] / "data" / "presets"
CONFIG = GenerationConfig(
    SamplingConfig(variants=4), RenderConfig(seconds=0.25, note_s=0.2), random_notes=1, presets_per_shard=8
)
N = 16  # sounds


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for name in ("FM_Bass1", "Rhodesy"):
        shutil.copy(PRESETS / f"{name}.vital", folder)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, people) -> Path:
    """Sounds of several shards. Some candidates are silent, so rows and candidates have different numbers."""
    folder = tmp_path_factory.mktemp("varied")
    generate(CONFIG, folder, N, seed=3, presets=people, progress=False)
    return folder


@pytest.fixture(scope="module")
def vocabulary(people):
    return load_bank(people).vocabulary


@pytest.fixture
def bank(dataset, people, vocabulary, tmp_path):
    assert write_seeded_bank(tmp_path / CHECKPOINT_BANK, dataset, people, vocabulary, progress=False) == N
    (tmp_path / "bank-credit.txt").write_text("Made from presets by two people.\n")
    return checkpoint_bank(tmp_path, vocabulary.schema(), vocabulary)


def test_seeded_bank_returns_the_preset_of_each_row(bank, dataset, vocabulary):
    """`dataset` stores the parameters that were rendered, and the bank does not."""
    info = open_dataset(dataset)
    reader, schema = Reader(info), vocabulary.schema()
    for row in range(info.n):
        expected = to_preset(sample_parameters(reader[row], schema), schema, vocabulary)
        found = bank.preset(row)
        assert found.to_json()["settings"] == expected.to_json()["settings"]
        assert found.comments.endswith("Made from presets by two people.")


def test_nearest_in_a_seeded_bank_finds_the_sound_itself(bank, dataset):
    reader = Reader(open_dataset(dataset))
    for row in range(0, N, 3):
        entry = index_mel(reader[row].mel[0])
        first, second = bank.nearest(entry, int(reader[row].midi_note), 2)
        same = [i for i in range(N) if np.array_equal(index_mel(reader[i].mel[0]), entry)]
        assert first.name in [bank.names[i] for i in same]
        assert first.distance_db < 2 < second.distance_db or len(same) > 1


def test_encode_of_parts_stores_the_first_principal_components():
    """The distances between entries of few components are those of the entries themselves, but for clipped codes."""
    rng = np.random.default_rng(0)
    entries = (rng.normal(size=(300, 5)) @ rng.normal(size=(5, 6 * 7)) - 40).astype(np.float32).reshape(300, 6, 7)
    codes = encode(lambda: np.split(entries, [7, 100, 299]), 5)
    assert (codes.codes.shape, codes.basis.shape, codes.mean.shape) == ((300, 5), (5, 6, 7), (6, 7))
    np.testing.assert_allclose(codes.mean, entries.mean(0), atol=1e-4)
    expected = np.sqrt(np.square(entries - entries[3]).mean((1, 2)))
    exact = np.abs(codes.codes).max(1) < 127
    assert exact.mean() > 0.5
    np.testing.assert_allclose(codes.distances_db(entries[3])[exact], expected[exact], atol=codes.step_db)


def test_encode_of_many_parts_takes_little_memory():
    def parts():
        for i in range(100):
            yield np.random.default_rng(i).normal(size=(256, 16, 21)).astype(np.float32)  # 0.34 MB

    tracemalloc.start()
    try:
        codes = encode(parts, 8)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(codes) == 100 * 256
    assert peak < 12e6  # all parts are 34 MB


def test_write_seeded_bank_with_other_presets_is_refused(dataset, vocabulary, tmp_path):
    with pytest.raises(DatasetError, match="other presets than those of no folder"):
        write_seeded_bank(tmp_path / "bank.npz", dataset, None, vocabulary, progress=False)
    assert not (tmp_path / "bank.npz").exists()


def test_write_seeded_bank_beside_another_checkpoint_is_refused(dataset, people, engine_vocabulary, tmp_path):
    with pytest.raises(DatasetError, match="other wavetables or LFO shapes than the checkpoint"):
        write_seeded_bank(tmp_path / "bank.npz", dataset, people, engine_vocabulary, progress=False)


def test_write_seeded_bank_of_presets_without_variants_names_the_remedy(tmp_path, people, vocabulary):
    single = dataclasses.replace(CONFIG, sampling=SamplingConfig(), presets_per_shard=2)
    generate(single, tmp_path / "data", 2, presets=people, progress=False)
    with pytest.raises(DatasetError, match=r"--config\.generation\.sampling\.variants=8"):
        write_seeded_bank(tmp_path / "bank.npz", tmp_path / "data", people, vocabulary, progress=False)


def test_checkpoint_bank_that_draws_other_presets_is_left_out(bank, tmp_path, vocabulary, capsys):
    """As after a change of the sampler: the digests differ."""
    with np.load(tmp_path / CHECKPOINT_BANK) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["digests"] = arrays["digests"] + np.uint16(1)
    np.savez(tmp_path / CHECKPOINT_BANK, **arrays)
    assert checkpoint_bank(tmp_path, vocabulary.schema(), vocabulary) is None
    assert "draws other presets from its seeds" in capsys.readouterr().err


def test_nearest_passes_over_a_sound_that_cannot_be_drawn_again(bank, tmp_path, dataset, vocabulary):
    """Only the first sound is drawn when a bank is opened. One that differs later must not end a match."""
    entry, note = index_mel(Reader(open_dataset(dataset))[5].mel[0]), 60
    first, second = bank.nearest(entry, note, 2)
    lost = list(bank.names).index(first.name)
    assert lost > 0, "the test needs a sound that is not drawn when the bank is opened"
    with np.load(tmp_path / CHECKPOINT_BANK) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["digests"][lost] += np.uint16(1)
    np.savez(tmp_path / CHECKPOINT_BANK, **arrays)
    found = checkpoint_bank(tmp_path, vocabulary.schema(), vocabulary)
    assert found.nearest(entry, note, 1)[0].name == second.name


def test_seeded_bank_accepts_presets_that_differ_in_the_last_bits(bank, tmp_path, vocabulary, monkeypatch):
    """As on a CPU whose vector instructions round exponentials in another way."""
    exact = seeded_bank.sample_group

    def rounded(*arguments):
        return [
            draw._replace(parameters=draw.parameters._replace(continuous=np.nextafter(draw.parameters.continuous, 1)))
            for draw in exact(*arguments)
        ]

    monkeypatch.setattr(seeded_bank, "sample_group", rounded)
    found = checkpoint_bank(tmp_path, vocabulary.schema(), vocabulary)
    assert all(found.preset(i) is not None for i in range(N))
