"""Tests of the selection of the candidate that is written."""

import pytest

from vjax.matching.config import MatchConfig
from vjax.matching.preferred import CLEARLY_NEARER_DB, preferred
from vjax.search.candidate import Candidate, Kind
from vjax.vital import preset as vital_preset


def candidate(kind, mss_db=3.0, off=0.0, error=""):
    return Candidate(f"a {kind}", vital_preset.init(), mss_db / 10, mss_db, off, error=error, kind=kind)


CLOSEST, NEIGHBOUR, PREDICTION = (
    candidate(Kind.RESYNTHESIS, 1.0),
    candidate(Kind.NEIGHBOUR, 3.0),
    candidate(Kind.PREDICTION, 5.0),
)
MUTE = "silent at note 48"


@pytest.mark.parametrize(
    ("prefer", "candidates", "expected", "warning"),
    [
        ("closest", (CLOSEST, NEIGHBOUR), CLOSEST, ""),
        ("knobs", (CLOSEST, candidate(Kind.PATCH, 2.0), NEIGHBOUR, PREDICTION), NEIGHBOUR, ""),
        ("knobs", (candidate(Kind.GIVEN), NEIGHBOUR), candidate(Kind.GIVEN), ""),
        ("editable", (CLOSEST, NEIGHBOUR, PREDICTION), NEIGHBOUR, ""),
        ("editable", (CLOSEST, candidate(Kind.PATCH, 2.0), NEIGHBOUR), candidate(Kind.PATCH, 2.0), ""),
        ("editable", (NEIGHBOUR, candidate(Kind.PATCH, 3.0 + CLEARLY_NEARER_DB)), candidate(Kind.PATCH, 4.0), ""),
        ("editable", (NEIGHBOUR, candidate(Kind.PATCH, 5.5)), NEIGHBOUR, "the patch is 2.5 dB MSS farther"),
        ("editable", (NEIGHBOUR, candidate(Kind.PATCH, 2.0, off=-1.0)), NEIGHBOUR, "plays -1.0 semitones off"),
        ("editable", (candidate(Kind.PATCH, 9.0), candidate(Kind.NEIGHBOUR, off=7.0)), candidate(Kind.PATCH, 9.0), ""),
        ("editable", (NEIGHBOUR, candidate(Kind.PATCH, error=MUTE)), NEIGHBOUR, f"not the patch: {MUTE}"),
        ("editable", (CLOSEST, candidate(Kind.NEIGHBOUR, error=MUTE)), CLOSEST, "no editable preset is audible"),
        ("knobs", (CLOSEST, candidate(Kind.PATCH), candidate(Kind.NEIGHBOUR, error=MUTE)), candidate(Kind.PATCH), "no"),
    ],
)
def test_preferred_returns_the_requested_family_or_a_better_one_with_a_warning(prefer, candidates, expected, warning):
    found = preferred(candidates, prefer)
    assert (found.candidate.label, found.candidate.mss_db) == (expected.label, expected.mss_db)
    assert (warning in found.warning) if warning else found.warning == ""


def test_preferred_with_only_silent_candidates_is_none():
    assert preferred((candidate(Kind.PATCH, error=MUTE),), "editable").candidate is None


def test_match_config_with_an_unknown_preference_raises():
    with pytest.raises(ValueError, match="prefer='best'; expected one of editable, closest, knobs"):
        MatchConfig(prefer="best")


def test_kind_family_of_candidates_not_made_from_the_sound_is_knobs():
    assert {kind: kind.family for kind in Kind if kind.family != kind} == dict.fromkeys(
        (Kind.PREDICTION, Kind.NEIGHBOUR, Kind.GIVEN), "knobs"
    )
