"""The model that comes with vjax: weights and a bank of sounds, as `vjax pack` writes them.

MODEL_CARD.md, beside this file, describes what it was made from and how accurate it is.
"""

from pathlib import Path

NAME = "shipped"
"""The name of the shipped model, accepted wherever a checkpoint is given."""

MODEL = Path(__file__).parent / "model"


def checkpoint_folder(text: str) -> str:
    """The folder of a checkpoint that a user names: `shipped`, or a path (`./shipped` for a folder of that name)."""
    return str(MODEL) if text == NAME else text


def checkpoint_name(folder: str) -> str:
    """The name of a checkpoint's folder for people: `shipped`, or the path."""
    return NAME if Path(folder) == MODEL else folder
