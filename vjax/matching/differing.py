"""Finds candidates that are worth hearing beside each other."""

from collections.abc import Iterable, Sequence

from vjax.audio.distances import mss
from vjax.search.candidate import Candidate
from vjax.vital.audible import audible_of
from vjax.vital.editability import carrying_routes
from vjax.vital.preset import Preset, controls

DIFFERENT_DB = 1.0
"""MSS between two renders above which they sound different."""


def differing(
    candidates: Iterable[Candidate],
    most: int,
    sample_rate: int,
    beside: Sequence[Candidate] = (),
    structure: bool = True,
) -> list[Candidate]:
    """The first candidates that differ from each other and from those `beside`, at most `most`.

    Two candidates differ if their sounds do, by more than `DIFFERENT_DB`, or if they are built in another way.
    Candidates with an error, or with a wrong note, are left out.

    Args:
      candidates: the best first, with their sounds.
      structure: whether two candidates with the same sound differ if they are built in another way.
    """
    found: list[Candidate] = []
    for one in candidates:
        if len(found) == most:
            break
        if one.error or one.wrong_note or one.audio is None:
            continue
        if all(differ(one, other, sample_rate, structure) for other in (*beside, *found)):
            found.append(one)
    return found


def differ(one: Candidate, other: Candidate, sample_rate: int, structure: bool = True) -> bool:
    """Whether two candidates differ, see `differing`."""
    if structure and structure_of(one.preset) != structure_of(other.preset):
        return True
    return float(mss(one.levelled_audio, other.levelled_audio, sample_rate)) > DIFFERENT_DB


def structure_of(preset: Preset) -> frozenset[str | tuple[str, str]]:
    """How a preset is built: the modules that are on, and the routes that move something, without their amounts."""
    menus, audible = controls().categorical, audible_of(preset).categorical
    switches = (i for i, menu in enumerate(menus) if menu.name.endswith("_on") and audible[i])
    on = {menus[i].name for i in switches if preset.categorical[i]}
    return frozenset(on | {(route.source, route.destination) for _, route in carrying_routes(preset)})
