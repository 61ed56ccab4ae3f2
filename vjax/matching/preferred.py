"""Selects the candidate that is written: the closest one is not always the best to work with."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from vjax.search.candidate import Candidate, Kind

Prefer = Literal["editable", "closest", "knobs"]
PREFERENCES = get_args(Prefer)

CLOSEST = "closest"
"""Marks the name of the closest preset, which is written beside a preferred one: `X (closest).vital`."""

CLEARLY_NEARER_DB = 1.0
"""MSS: a preset of the `knobs` family is written instead of the patch if it is closer by more than this."""

FAR_DB = 8.0
"""MSS: a preset that is farther from its sound than this gets a warning."""


class Preferred(NamedTuple):
    """What `preferred` returns.

    Attributes:
      candidate: the candidate to write; None if no candidate is audible.
      warning: why it is not the requested candidate; empty if it is.
    """

    candidate: Candidate | None
    warning: str = ""


def preferred(candidates: Sequence[Candidate], prefer: Prefer) -> Preferred:
    """The candidate to write.

    Args:
      candidates: ranked, the best first.
      prefer: which one is preferred. If no candidate of that family is audible, it is one of another family.
        `closest`: the first candidate.
        `knobs`: the first of the `knobs` family, which is neither a resynthesis nor a patch.
        `editable`: the first patch. The first of the `knobs` family replaces it in three cases: the patch is not
        audible; only the patch plays a wrong note; or the patch is farther by more than `CLEARLY_NEARER_DB`.
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
    if why and knobs:
        return Preferred(knobs, f"{knobs.label!r} is written and not the patch: {why}")
    return Preferred(patch or knobs)


def _why_not_the_patch(patch: Candidate | None, knobs: Candidate | None, candidates: Sequence[Candidate]) -> str:
    """Why the `knobs` candidate is written and not the patch; empty if the patch is written, or if none competes."""
    if patch is None:
        return next((one.error for one in candidates if one.kind == Kind.PATCH), "")
    if knobs is None or knobs.wrong_note > patch.wrong_note:
        return ""
    if patch.wrong_note > knobs.wrong_note:
        return f"the patch plays {patch.pitch_error_semitones:+.1f} semitones off"
    nearer_db = patch.mss_db - knobs.mss_db
    return f"the patch is {nearer_db:.1f} dB MSS farther from the sound" if nearer_db > CLEARLY_NEARER_DB else ""
