"""Tests of the functions that the page's scripts call, with the real engine."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
import soundfile

from vjax.audio.clip import make_clip
from vjax.audio.pitch import detect_pitch
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderPool
from vjax.matching.config import DEFAULT
from vjax.matching.prepare import no_banks
from vjax.search.candidate import Candidate, Kind
from vjax.vital import preset as vital_preset
from vjax.web.answers import answers
from vjax.web.cards import early_card
from vjax.web.line import Line
from vjax.web.sessions import Recording, Sessions
from vjax.web.sound import make_sound
from vjax.web.studio import Studio

RENDER = RenderConfig(seconds=0.5, note_s=0.4)


@pytest.fixture(scope="module")
def asked(tone, tmp_path_factory):
    """`asked(function, **request)`: the answer about the init patch, whose page has a sound at A3; and the folder."""
    sessions, folder = Sessions(), tmp_path_factory.mktemp("vital")
    session = sessions.of_page("page")
    session.begin(make_sound(make_clip(tone(220, 0.5), 44100, 22050, "a.wav", "a"), RENDER, DEFAULT))
    preset = dataclasses.replace(vital_preset.init(), comments="by hand")
    candidate = Candidate("init", preset, audio=session.sound.target, kind=Kind.NEIGHBOUR)
    session.cards = {"neighbour": early_card(candidate, session.sound)}
    with RenderPool(RENDER, 1) as pool:
        studio = Studio(None, no_banks, pool, Line(1, 1), 1)
        functions = {one.__name__: one for one in answers(studio, sessions, folder)}
        refusing = {one.__name__: one for one in answers(studio, sessions, None)}

        def ask(function, refuse=False, **request):
            standard = {"token": session.token, "id": "neighbour"}
            return (refusing if refuse else functions)[function](standard | request)

        ask.folder, ask.session = folder, session
        yield ask


def test_play_note_is_the_note_that_was_asked_for(asked):
    found = asked("play_note", note=64)
    assert found["note"] == "E4"
    content = base64.b64decode(found["audio"].partition(",")[2])
    audio, rate = soundfile.read(io.BytesIO(content))
    assert (audio.shape, rate) == ((22050, 2), 44100)
    assert np.abs(audio).max() > 0.01
    assert detect_pitch(audio.T, rate).note == 64


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"note": 128}, "note 128 is not a MIDI note"),
        ({"note": 60, "token": "guessed"}, "reload the page"),
        ({"note": 60, "id": "patch"}, "choose another one"),
        ({"note": 60, "macros": {"1": 5.0}}, "macro_control_1 is 5"),
    ],
)
def test_play_note_with_a_wrong_request_is_an_error_in_words(asked, request_, error):
    assert error in asked("play_note", **request_)["error"]


def test_preset_file_has_the_macros_and_a_safe_name(asked):
    found = asked("preset_file", macros={"2": 0.25}, name='../"x"')
    assert found["name"] == "__x_.vital"
    preset = json.loads(found["text"])
    assert preset["settings"]["macro_control_2"] == 0.25
    assert preset["comments"] == "by hand"


def test_preset_file_has_the_style_that_was_chosen(asked):
    preset = json.loads(asked("preset_file", style="Pad")["text"])
    assert preset["preset_style"] == "Pad"
    assert "'Loud' is not a style; choose one of Bass" in asked("preset_file", style="Loud")["error"]


def test_all_files_before_the_match_has_ended_is_an_error(asked):
    assert "wait for all candidates" in asked("all_files")["error"]


def test_install_preset_saves_only_where_it_may(asked):
    assert "download the preset" in asked("install_preset", refuse=True)["error"]
    path = asked("install_preset", name="lead")["path"]
    assert path == str(asked.folder / "lead.vital")
    assert vital_preset.read_preset(path).name == "lead"


def test_set_note_gives_a_recording_its_note_or_leaves_it_to_vjax(asked):
    session = asked.session
    session.others = (Recording("b.wav", session.sound.clip),)
    assert asked("set_note", index=0, note="C2") == {"found": "as you have chosen"}
    assert session.others[0].note == 36
    assert asked("set_note", index=0, note=" ")["found"].startswith("detected, confidence")
    assert session.others[0].note is None
    assert "not there any more" in asked("set_note", index=1, note="C2")["error"]
    assert "not a MIDI note" in asked("set_note", index=0, note="X")["error"]
