"""Tests of exported presets: the file is complete, Vital opens its version, and it renders as the match did."""

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
from vjax.vital.preset import controls, write_preset
from vjax.vital.preset_json import read_json
from vjax.vital.vocabulary import Vocabulary
from vjax.vital.wavetables import table_key

CHOICES = ("osc_1_wavetable", "lfo_1_shape")


@pytest.fixture(scope="module")
def predictor(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def prediction(predictor, tone):
    return predictor.predict_with_confidence(tone(220), name="a tone")


@pytest.fixture(scope="module")
def exported(predictor, prediction, tone, tmp_path_factory):
    """(result, path of its preset): the prediction as `vjax export` writes it."""
    path = tmp_path_factory.mktemp("exported") / "a tone.vital"
    audio = tone(220)[:, : predictor.samples]
    clip = Clip("a tone", "a tone", audio, predictor.sample_rate, audio[:, :0])
    with RenderPool(render_config(predictor), workers=1) as pool:
        result = match(clip, predictor, pool, PREDICTION_ONLY, prediction=prediction)
    result.save(path)
    return result, path


def test_export_written_file_renders_the_same_bits_as_the_match(exported, predictor):
    match, path = exported
    assert match.predicted.tuned_semitones != 0, "the prediction is out of tune, and the file holds the tuned preset"
    with RenderPool(render_config(predictor), workers=1) as pool:
        again = pool.render(RenderJob(read_json(path), (match.note,), note_s=match.note_s))
    np.testing.assert_array_equal(again.audio[0], match.audio)
    assert np.abs(match.audio).max() > 0.01


def test_export_written_file_is_a_complete_vital_preset(exported):
    _, path = exported
    raw, init = read_json(path), synth.init_preset()
    assert raw["synth_version"] == "1.5.5"
    assert [table["version"] for table in raw["settings"]["wavetables"]] == ["1.5.5"] * 3
    assert len(raw["settings"]["modulations"]) == 64
    assert set(raw) == set(init)
    assert set(raw["settings"]) == set(init["settings"])
    assert set(synth.control_ranges()) <= set(raw["settings"])
    synth.validate_preset(raw)


def test_export_written_file_has_integer_counts(exported):
    settings = read_json(exported[1])["settings"]
    whole = [knob.name for knob in controls().continuous if knob.integer]
    whole += [menu.name for menu in controls().categorical]
    assert "osc_1_transpose" in whole
    assert {name: settings[name] for name in whole} == {name: round(settings[name]) for name in whole}


def test_export_comment_states_the_source_the_method_and_the_distance(exported):
    result, path = exported
    raw = read_json(path)
    assert raw["comments"].startswith("Made by vjax ")
    for text in ("from the sound 'a tone'", "for note 57 (A3)", "Method: prediction", f"{result.mss_db:.2f} dB MSS"):
        assert text in raw["comments"]
    assert (raw["preset_name"], raw["author"], raw["preset_style"]) == ("a tone", "vjax", result.preset.style)


def test_export_routes_are_written_into_the_slots(exported, prediction):
    settings = read_json(exported[1])["settings"]
    written = [
        (entry["source"], entry["destination"], settings[f"modulation_{slot}_amount"])
        for slot, entry in enumerate(settings["modulations"], start=1)
        if entry["source"]
    ]
    assert written == [(route.source, route.destination, pytest.approx(route.amount)) for route in prediction.routes]
    assert len(written) == 1


def test_export_takes_choices_from_the_catalog_of_the_checkpoint(predictor, prediction, exported, engine_vocabulary):
    """The shipped catalog has the chosen entries at another index, or does not have them."""
    chosen = [int(prediction.parameters.categorical[predictor.schema.position[name]]) for name in CHOICES]
    assert chosen == [1, 1]
    settings, shipped = read_json(exported[1])["settings"], default_vocabulary()
    table, shape = settings["wavetables"][0], settings["lfos"][0]
    assert table_key(table) == table_key(engine_vocabulary.wavetables.tables[1])
    assert table["name"] == "Hollow"
    assert shipped.wavetables.find(table) is None
    assert shape == engine_vocabulary.lfo_shapes.shapes[1]
    assert shipped.lfo_shapes.find(shape) not in (None, 1)
    assert predictor.vocabulary.to_json_string() == engine_vocabulary.to_json_string()


def test_export_preset_with_a_copied_checkpoint_writes_the_same_file(engine_run, predictor, prediction, tone, tmp_path):
    shutil.copytree(engine_run / "checkpoints", tmp_path / "copy")
    copied = Predictor.from_checkpoint(tmp_path / "copy", batch_size=1)
    again = copied.predict_with_confidence(tone(220), name="a tone")
    for name, one, other in (("original", predictor, prediction), ("copied", copied, again)):
        write_preset(tmp_path / name, export_preset(other, one.schema, one.vocabulary, "a tone"))
    assert (tmp_path / "original").read_bytes() == (tmp_path / "copied").read_bytes()


def with_catalog(predictor, catalog_json):
    """The predictor of a checkpoint with another catalog and, as in older checkpoints, without a digest."""
    meta = predictor.meta | {"wavetable_catalog_json": catalog_json}
    return dataclasses.replace(predictor, meta={k: v for k, v in meta.items() if k != "wavetable_catalog_sha256"})


def test_checkpoint_vocabulary_with_too_small_a_catalog_is_an_error(predictor, engine_vocabulary):
    fewer_tables = Vocabulary(engine_vocabulary.wavetables.chosen([0, 1]), engine_vocabulary.lfo_shapes)
    with pytest.raises(ValueError, match=r"osc_1_wavetable from 3 entries, but their catalog has 2; .*train again"):
        _ = with_catalog(predictor, fewer_tables.to_json_string()).vocabulary
    fewer_shapes = Vocabulary(engine_vocabulary.wavetables, engine_vocabulary.lfo_shapes.first(2))
    with pytest.raises(ValueError, match="lfo_1_shape from 3 entries, but their catalog has 2"):
        _ = with_catalog(predictor, fewer_shapes.to_json_string()).vocabulary


def test_checkpoint_vocabulary_with_choices_but_no_catalog_is_an_error(predictor):
    """Its data were not made with the shipped catalog: `vjax generate` would have stored it."""
    with pytest.raises(ValueError, match=r"osc_1_wavetable from 3 entries, but they have no catalog; .*train again"):
        _ = with_catalog(predictor, None).vocabulary


def test_checkpoint_vocabulary_without_choices_and_catalog_is_the_default(predictor):
    plain = tuple(menu for menu in predictor.schema.categorical if menu.name not in CATALOG_CHOICES)
    without = dataclasses.replace(predictor, schema=dataclasses.replace(predictor.schema, categorical=plain))
    assert with_catalog(without, None).vocabulary is default_vocabulary()


def test_checkpoint_vocabulary_with_another_digest_is_an_error(predictor, engine_vocabulary):
    meta = predictor.meta
    assert meta["wavetable_catalog_sha256"] == digest(engine_vocabulary.to_json_string())
    swapped = meta | {"wavetable_catalog_json": default_vocabulary().to_json_string()}
    with pytest.raises(ValueError, match=f"but its data were made with {meta['wavetable_catalog_sha256']}"):
        _ = dataclasses.replace(predictor, meta=swapped).vocabulary


def test_checkpoint_vocabulary_of_an_older_checkpoint_needs_no_digest(predictor, engine_vocabulary):
    older = with_catalog(predictor, engine_vocabulary.to_json_string())
    assert older.vocabulary.to_json_string() == engine_vocabulary.to_json_string()


def test_checkpoint_vocabulary_of_a_bare_wavetable_catalog_has_one_shape(predictor, engine_vocabulary):
    bare = json.dumps(engine_vocabulary.wavetables.to_json())
    with pytest.raises(ValueError, match="lfo_1_shape from 3 entries, but their catalog has 1"):
        _ = with_catalog(predictor, bare).vocabulary
