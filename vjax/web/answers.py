"""Answers the requests of the page about a candidate: notes to play, its inside, and its files.

Each function takes the page's request as a dict with the keys `token` and `id`, where needed `note`, `macros`,
`name`, `style` and others. It returns a dict, with the key `error` if it failed.
"""

import base64
import dataclasses
import functools
import json
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vjax.audio.pitch import note_name, parse_note
from vjax.engine.pool import RenderJob
from vjax.io.errors import error_text, is_expected
from vjax.matching.comment import STYLES
from vjax.vital.editability import MACROS
from vjax.vital.preset import Preset, write_preset
from vjax.vital.user_folder import install
from vjax.vital.values import with_values
from vjax.web.archive import archive_bytes
from vjax.web.cards import Card, file_name
from vjax.web.inside import inside
from vjax.web.sessions import Session, SessionError, Sessions, card_of
from vjax.web.sound import flac_address, loudness_gain, with_gain
from vjax.web.studio import Studio
from vjax.web.view import recording_text

Request = Mapping[str, Any]


def answers(studio: Studio, sessions: Sessions, folder: Path | None) -> Sequence[Callable[[Request], dict[str, Any]]]:
    """The functions that the page can call. `folder`: where `install_preset` saves; None refuses it."""

    def play_note(request: Request) -> dict[str, Any]:
        session, card, preset = _chosen(sessions, request)
        note, rate = int(request["note"]), studio.render.sample_rate
        if not 0 <= note <= 127:
            raise SessionError(f"note {note} is not a MIDI note from 0 to 127")
        (rendering,) = studio.keys.map([RenderJob(preset.to_json(), (note,), note_s=session.given.note_s)])
        if rendering.audio is None:
            raise SessionError(f"the engine could not play {note_name(note)}: {rendering.error}")
        audio = with_gain(rendering.audio[0], loudness_gain(card.audio, rate))  # all keys have the card's gain
        return {"audio": flac_address(audio, rate), "note": note_name(note)}

    def look_inside(request: Request) -> dict[str, Any]:
        session, _, preset = _chosen(sessions, request)
        return inside(preset, session.given.note, session.given.note_s, studio.render.seconds)

    def preset_file(request: Request) -> dict[str, Any]:
        _, _, preset = _chosen(sessions, request)
        return {"name": f"{preset.name}.vital", "text": json.dumps(preset.to_json())}

    def all_files(request: Request) -> dict[str, Any]:
        session = sessions.get(request["token"])
        if session.result is None:
            raise SessionError("the match has not ended; wait for all candidates")
        title = session.given.clip.title
        content = archive_bytes(session.result, list(session.cards.values()), title)
        name = f"{file_name(title)} (vjax).zip"
        return {"name": name, "base64": base64.b64encode(content).decode("ascii")}

    def install_preset(request: Request) -> dict[str, Any]:
        if folder is None:
            raise SessionError("this page cannot save to Vital's folder; download the preset")
        _, _, preset = _chosen(sessions, request)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / f"{preset.name}.vital"
            write_preset(path, preset)
            return {"path": str(install(path, folder))}

    def set_note(request: Request) -> dict[str, Any]:
        others = sessions.get(request["token"]).others
        if not 0 <= int(request["index"]) < len(others):
            raise SessionError("this recording is not there any more")
        recording, text = others[int(request["index"])], str(request["note"])
        recording.note = parse_note(text) if text.strip() else None
        return {"found": recording_text(recording)}

    functions = (play_note, look_inside, preset_file, all_files, install_preset, set_note)
    return [_with_error(function) for function in functions]


def _chosen(sessions: Sessions, request: Request) -> tuple[Session, Card, Preset]:
    """The page's session, the chosen card, and its preset with the macros, name and style that the page has set."""
    session = sessions.get(request["token"])
    card = card_of(session, request["id"])
    macros = {MACROS[int(number) - 1]: float(value) for number, value in (request.get("macros") or {}).items()}
    preset = with_values(card.preset, macros)
    name = file_name(str(request.get("name") or "") or preset.name)
    style = request.get("style", preset.style)
    if style not in (*STYLES, preset.style):
        raise SessionError(f"{style!r} is not a style; choose one of {', '.join(STYLES)}")
    return session, card, dataclasses.replace(preset, name=name, style=style)


def _with_error(function: Callable[[Request], dict[str, Any]]) -> Callable[[Request], dict[str, Any]]:
    @functools.wraps(function)
    def answered(request: Request) -> dict[str, Any]:
        try:
            return function(request)
        except Exception as error:
            if not is_expected(error):
                traceback.print_exc()
            return {"error": error_text(error)}

    return answered
