"""A ZIP file of everything that a match found."""

import dataclasses
import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from vjax.audio.files import write_wav
from vjax.matching.page import Other, write_page
from vjax.matching.result import MatchResult
from vjax.vital.preset import write_preset
from vjax.web.cards import Card, file_name


def archive_bytes(result: MatchResult, cards: Sequence[Card], title: str) -> bytes:
    """The files that `vjax match` writes, and preset and render of each further card, as a ZIP file.

    The page of the match shows all of them.

    Args:
      title: of the sound; names the files.
    """
    written = {id(result.preset)} | ({id(result.closest.preset)} if result.closest else set())
    stem = file_name(title)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        result.save(folder / f"{stem}.vital")
        others = [card for card in cards if id(card.preset) not in written]
        for card in others:
            name = file_name(card.preset.name)
            write_preset(folder / f"{name}.vital", card.preset)
            write_wav(folder / f"{name}-vjax.wav", card.audio, result.sample_rate)
        shown = {
            card.title: Other(card.about, dataclasses.replace(card.candidate, audio=card.audio)) for card in others
        }
        write_page(result, folder / f"{stem}.html", shown)
        (folder / f"{stem}.json").write_text(json.dumps(result.as_json(), allow_nan=False, indent=1), encoding="utf-8")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        return buffer.getvalue()
