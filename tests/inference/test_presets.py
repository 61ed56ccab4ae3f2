"""The file that a musician opens: complete, of a version that Vital takes, and sounding as it was heard here."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from vjax.audio.clip import Clip
from vjax.data.layout import digest
from vjax.engine import synth
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.predict import Predictor, render_config
from vjax.inference.presets import export_preset
from vjax.matching.config import PREDICTION_ONLY
from vjax.matching.match import match
from vjax.sound.schema import CATALOG_CHOICES
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.preset import controls, read_json, write_preset
from vjax.vital.vocabulary import Vocabulary
from vjax.vital.wavetables import table_key

CHOICES = ("osc_1_wavetable", "lfo_1_shape")


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def answer(predictor, tone):
    return predictor.predict_with_confidence(tone(220), name="a tone")


@pytest.fixture(scope="module")
def exported(predictor, answer, tone, tmp_path_factory):
    """(result, path of its preset): the prediction as `vjax export` leaves it."""
    path = tmp_path_factory.mktemp("exported") / "a tone.vital"
    audio = tone(220)[:, : predictor.samples]
    clip = Clip("a tone", "a tone", audio, predictor.sample_rate, audio[:, :0])
    with RenderPool(render_config(predictor), workers=1) as pool:
        result = match(clip, predictor, pool, PREDICTION_ONLY, prediction=answer)
    result.save(path)
    return result, path


def test_the_written_file_sounds_as_the_match_to_the_last_bit(exported, predictor):
    match, path = exported
    assert match.predicted.tuned_semitones != 0, "the answer is out of tune, and the file is what was tuned"
    with RenderPool(render_config(predictor), workers=1) as pool:
        again = pool.render(RenderJob(read_json(path), (match.note,), note_s=match.note_s))
    np.testing.assert_array_equal(again.audio[0], match.audio)
    assert np.abs(match.audio).max() > 0.01


def test_the_file_is_one_that_vital_opens(exported):
    _, path = exported
    raw, init = read_json(path), synth.init_preset()
    assert raw["synth_version"] == "1.5.5"
    assert [table["version"] for table in raw["settings"]["wavetables"]] == ["1.5.5"] * 3
    assert len(raw["settings"]["modulations"]) == 64
    assert set(raw) == set(init)
    assert set(raw["settings"]) == set(init["settings"])
    assert set(synth.control_ranges()) <= set(raw["settings"])
    synth.validate_preset(raw)


def test_counts_are_whole(exported):
    settings = read_json(exported[1])["settings"]
    whole = [knob.name for knob in controls().continuous if knob.integer]
    whole += [menu.name for menu in controls().categorical]
    assert "osc_1_transpose" in whole
    assert {name: settings[name] for name in whole} == {name: round(settings[name]) for name in whole}


def test_the_comment_says_what_it_was_made_from_and_how_near_it_comes(exported):
    result, path = exported
    raw = read_json(path)
    assert raw["comments"].startswith("Made by vjax ")
    for words in ("from the sound 'a tone'", "for note 57 (A3)", "Method: prediction", f"{result.mss_db:.2f} dB MSS"):
        assert words in raw["comments"]
    assert (raw["preset_name"], raw["author"], raw["preset_style"]) == ("a tone", "vjax", result.preset.style)


def test_routes_are_written_into_the_slots(exported, answer):
    settings = read_json(exported[1])["settings"]
    written = [
        (entry["source"], entry["destination"], settings[f"modulation_{slot}_amount"])
        for slot, entry in enumerate(settings["modulations"], start=1)
        if entry["source"]
    ]
    assert written == [(route.source, route.destination, pytest.approx(route.amount)) for route in answer.routes]
    assert len(written) == 1


def test_what_is_chosen_comes_from_the_checkpoints_catalog(predictor, answer, exported, engine_vocabulary):
    """The entries that it chooses are others in the shipped catalog, or not in it at all."""
    chosen = [int(answer.parameters.categorical[predictor.schema.position[name]]) for name in CHOICES]
    assert chosen == [1, 1]
    settings, shipped = read_json(exported[1])["settings"], default_vocabulary()
    table, shape = settings["wavetables"][0], settings["lfos"][0]
    assert table_key(table) == table_key(engine_vocabulary.wavetables.tables[1])
    assert table["name"] == "Hollow"
    assert shipped.wavetables.find(table) is None
    assert shape == engine_vocabulary.lfo_shapes.shapes[1]
    assert shipped.lfo_shapes.find(shape) not in (None, 1)
    heard = predictor.vocabulary
    assert heard.to_json_string() == engine_vocabulary.to_json_string()


def test_a_copied_checkpoint_exports_the_same_file(engine_run, predictor, answer, tone, tmp_path):
    shutil.copytree(engine_run / "checkpoints", tmp_path / "elsewhere")
    copied = Predictor.from_checkpoint(tmp_path / "elsewhere", batch_size=1)
    there = copied.predict_with_confidence(tone(220), name="a tone")
    for name, one, other in (("here", predictor, answer), ("there", copied, there)):
        write_preset(tmp_path / name, export_preset(other, one.schema, one.vocabulary, "a tone"))
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def with_catalog(predictor, catalog_json):
    """The predictor of a checkpoint that carries another catalog, as older ones do: without its digest."""
    meta = predictor.meta | {"wavetable_catalog_json": catalog_json}
    return dataclasses.replace(predictor, meta={k: v for k, v in meta.items() if k != "wavetable_catalog_sha256"})


def test_a_catalog_smaller_than_the_schema_counts_is_refused(predictor, engine_vocabulary):
    fewer_tables = Vocabulary(engine_vocabulary.wavetables.chosen([0, 1]), engine_vocabulary.lfo_shapes)
    with pytest.raises(ValueError, match=r"osc_1_wavetable from 3 entries, but their catalog holds 2; .*train again"):
        _ = with_catalog(predictor, fewer_tables.to_json_string()).vocabulary
    fewer_shapes = Vocabulary(engine_vocabulary.wavetables, engine_vocabulary.lfo_shapes.first(2))
    with pytest.raises(ValueError, match="lfo_1_shape from 3 entries, but their catalog holds 2"):
        _ = with_catalog(predictor, fewer_shapes.to_json_string()).vocabulary


def test_checkpoint_vocabulary_choices_without_a_catalog_are_refused(predictor):
    """Its data were not made with the shipped catalog: `vjax generate` would have stored it."""
    with pytest.raises(ValueError, match=r"osc_1_wavetable from 3 entries, but they carry no catalog; .*train again"):
        _ = with_catalog(predictor, None).vocabulary


def test_checkpoint_vocabulary_no_choices_and_no_catalog_mean_the_init_patch(predictor):
    plain = tuple(menu for menu in predictor.schema.categorical if menu.name not in CATALOG_CHOICES)
    without = dataclasses.replace(predictor, schema=dataclasses.replace(predictor.schema, categorical=plain))
    assert with_catalog(without, None).vocabulary is default_vocabulary()


def test_checkpoint_vocabulary_another_digest_is_refused(predictor, engine_vocabulary):
    meta = predictor.meta
    assert meta["wavetable_catalog_sha256"] == digest(engine_vocabulary.to_json_string())
    swapped = meta | {"wavetable_catalog_json": default_vocabulary().to_json_string()}
    with pytest.raises(ValueError, match=f"but its data were made with {meta['wavetable_catalog_sha256']}"):
        _ = dataclasses.replace(predictor, meta=swapped).vocabulary


def test_checkpoint_vocabulary_of_an_older_checkpoint_needs_no_digest(predictor, engine_vocabulary):
    older = with_catalog(predictor, engine_vocabulary.to_json_string())
    assert older.vocabulary.to_json_string() == engine_vocabulary.to_json_string()


def test_a_bare_wavetable_catalog_of_an_older_run_has_one_shape(predictor, engine_vocabulary):
    bare = json.dumps(engine_vocabulary.wavetables.to_json())
    with pytest.raises(ValueError, match="lfo_1_shape from 3 entries, but their catalog holds 1"):
        _ = with_catalog(predictor, bare).vocabulary
