"""Opens the banks that a match searches: the checkpoint's own, and a folder of presets."""

import threading
from collections.abc import Sequence

from vjax.candidates.bank import checkpoint_bank, folder_bank
from vjax.candidates.sound_bank import SoundBank
from vjax.engine.pool import RenderPool
from vjax.inference.predict import Predictor
from vjax.io.find_files import find_presets
from vjax.matching.prepare import Banks


def open_banks(predictor: Predictor, checkpoint: str, folder: str = "", pool: RenderPool | None = None) -> Banks:
    """Returns a function from a note to the banks to search.

    Args:
      checkpoint: the checkpoint's folder; its bank is searched, if it has one.
      folder: a folder of presets; empty for none. It is rendered at a note when this note is first requested.
      pool: renders the folder.
    """
    if folder:
        try:
            find_presets(folder)  # now, and not after the first sound was analysed
        except ValueError as error:
            raise ValueError(f"the bank: {error}") from error
    own = checkpoint_bank(checkpoint, predictor.schema, predictor.vocabulary)
    at_note: dict[int, SoundBank] = {}
    rendering = threading.Lock()  # sounds are matched in several threads

    def banks(note: int) -> Sequence[SoundBank]:
        with rendering:
            if folder and note not in at_note:
                assert pool is not None, "a folder of presets needs a pool, which renders them"
                at_note[note] = folder_bank(folder, note, pool, predictor.mel)
        return [bank for bank in (own, at_note.get(note)) if bank is not None]

    return banks
