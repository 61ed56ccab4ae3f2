"""Which candidate is written: the nearest one is not always the one to work with."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from vjax.matching.choose import Candidate
from vjax.search.target import Kind

Prefer = Literal["editable", "closest", "knobs"]
PREFERENCES = get_args(Prefer)

CLOSEST = "closest"
"""Names what is written beside a preset that is not the closest: `X (closest).vital`."""

CLEARLY_NEARER_DB = 1.0
"""MSS: by more than this a preset of knobs must be nearer than the patch to be written in its place."""

FAR_DB = 8.0
"""MSS: beyond this a preset does not come near its sound, and a warning says so."""


class Preferred(NamedTuple):
    """What `preferred` returns: None where no candidate is audible; why it is not what was asked for, or nothing."""

    candidate: Candidate | None
    warning: str = ""


def preferred(candidates: Sequence[Candidate], prefer: Prefer) -> Preferred:
    """The candidate to write.

    Args:
      candidates: ranked, the best first.
      prefer: `closest` takes the first one. `knobs` takes the first that is neither a resynthesis nor a patch.
        `editable` takes the patch, but a preset of knobs where the patch is not audible, plays a wrong note that the
        knobs play right, or is farther by more than `CLEARLY_NEARER_DB`. What is not audible gives way to what is.
    """
    audible = [one for one in candidates if not one.error]
    if not audible:
        return Preferred(None)
    first = {one.kind.family: one for one in reversed(audible)}
    patch, knobs, closest = first.get("patch"), first.get("knobs"), audible[0]
    if prefer == "closest":
        return Preferred(closest)
    if prefer == "knobs":
        if knobs:
            return Preferred(knobs)
        other = patch or closest
        return Preferred(other, f"no preset of knobs alone is audible, so {other.label!r} is written")
    if patch is None and knobs is None:
        return Preferred(closest, f"no editable preset is audible, so {closest.label!r} is written: a table, no filter")
    why = _why_not_the_patch(patch, knobs, candidates)
    if why:
        return Preferred(knobs, f"{knobs.label!r} is written and not the patch: {why}")
    return Preferred(patch or knobs)


def _why_not_the_patch(patch: Candidate | None, knobs: Candidate | None, candidates: Sequence[Candidate]) -> str:
    """Why the knobs are written where there is a patch; empty where the patch is, or where none competes."""
    if patch is None:
        return next((one.error for one in candidates if one.kind == Kind.PATCH), "")
    if knobs is None or knobs.wrong_note > patch.wrong_note:
        return ""
    if patch.wrong_note > knobs.wrong_note:
        return f"the patch plays {patch.pitch_error_semitones:+.1f} semitones off"
    nearer_db = patch.mss_db - knobs.mss_db
    return f"the patch is {nearer_db:.1f} dB MSS farther from the sound" if nearer_db > CLEARLY_NEARER_DB else ""
