"""Tests of the candidates that the page shows."""

import dataclasses
import math

import numpy as np
import pytest

from vjax.audio.clip import make_clip
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.matching.config import DEFAULT
from vjax.matching.match import match
from vjax.search.candidate import Candidate, Kind
from vjax.vital import preset as vital_preset
from vjax.vital.values import with_values
from vjax.web.cards import MORE, distance_words, early_card, file_name, result_cards
from vjax.web.sound import PLAYED_LUFS, at_loudness, make_sound, media


@pytest.fixture
def sound(tone):
    clip = make_clip(tone(220, 0.5), 44100, 22050, "a.wav", "a")
    return make_sound(clip, RenderConfig(seconds=0.5, note_s=0.4), DEFAULT)


def test_early_card_has_the_distance_at_equal_loudness(sound):
    candidate = Candidate("prediction", vital_preset.init(), audio=0.1 * sound.target, kind=Kind.PREDICTION)
    card = early_card(candidate, sound)
    assert card.id == "prediction"
    assert not card.final
    assert card.mss_db == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("change", [{"error": "silent at note 57"}, {"pitch_error_semitones": -12.0}])
def test_early_card_of_a_silent_or_mistuned_candidate_is_none(sound, change):
    candidate = Candidate("x", vital_preset.init(), audio=sound.target, kind=Kind.NEIGHBOUR)
    assert early_card(dataclasses.replace(candidate, **change), sound) is None


def test_result_cards_show_further_candidates_of_a_kind_where_they_differ(sound):
    def neighbour(label, **values):
        preset = with_values(vital_preset.init(), {"osc_1_random_phase": 0.0} | values)
        return Candidate(label, preset, kind=Kind.NEIGHBOUR)

    filtered = {"filter_1_on": 1, "osc_1_destination": 0, "filter_1_mix": 0.0}
    candidates = [neighbour("plain"), neighbour("alike", osc_1_level=0.8), neighbour("filtered", **filtered)]
    render = RenderConfig(seconds=0.5, note_s=0.4)
    with RenderPool(render, 2) as pool:
        config = dataclasses.replace(DEFAULT, prefer="closest", equalise=0)
        result = match(sound.clip, None, pool, config, candidates=candidates, only_candidates=True)
    first, second = result_cards(result, sound)
    assert (first.id, first.title, first.group) == ("neighbour", "Neighbour", "")
    assert (second.id, second.title, second.group) == ("neighbour-2", "Neighbour 2", MORE)
    assert {first.label, second.label} in ({"plain", "filtered"}, {"alike", "filtered"})
    assert second.preset.name == "a (neighbour 2)"


def test_at_loudness_plays_all_sounds_equally_loud_and_never_clips(tone):
    from vjax.audio.loudness import loudness_lufs

    audio = np.repeat(tone(220, 1.0), 2, axis=0)
    for gain in (0.01, 1.0):
        assert loudness_lufs(at_loudness(gain * audio, 44100)) == pytest.approx(PLAYED_LUFS, abs=0.1)
    click = np.zeros((2, 44100), np.float32)
    click[:, 2000:2010] = 0.5
    assert np.abs(at_loudness(click, 44100)).max() <= 1
    assert not at_loudness(np.zeros((2, 44100), np.float32), 44100).any()


def test_media_of_a_sound_is_flac_and_an_image(sound):
    found = media(sound.target, sound)
    assert found["audio"].startswith("data:audio/flac;base64,")
    assert found["image"].startswith("data:image/webp;base64,")
    assert found["seconds"] == 0.5


@pytest.mark.parametrize(
    ("mss_db", "words"), [(0.4, "almost identical"), (2.9, "very close"), (8.5, "far"), (math.nan, "no distance")]
)
def test_distance_words_of_a_distance(mss_db, words):
    assert distance_words(mss_db) == words


@pytest.mark.parametrize(
    ("text", "name"),
    [('a/b "c"', "a_b _c_"), (" .. ", "sound"), ("bass \U0001f3b9", "bass \U0001f3b9"), ("x" * 200, "x" * 80)],
)
def test_file_name_is_a_name_on_every_system(text, name):
    assert file_name(text) == name
