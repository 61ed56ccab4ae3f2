"""Tests of the warnings of a match; `test_match.py` tests the rest."""

from vjax.matching.finish import _lost
from vjax.search.candidate import Candidate
from vjax.vital.preset import init


def test_lost_counts_and_names_the_candidates_that_the_machine_could_not_render():
    fault = "its process could not be started: Cannot allocate memory"
    candidates = [Candidate(f"variant {i}", init(), error=fault, by_machine=True) for i in range(4)]
    candidates += [Candidate("prediction", init()), Candidate("patch", init(), error="silent at note 48")]
    (warning,) = _lost(candidates)
    assert warning.startswith(
        "4 of 6 candidates could not be rendered on this machine (variant 0, variant 1, variant 2 and 1 more): "
        f"{fault}. Set TMPDIR"
    )
    assert _lost(candidates[4:]) == []
