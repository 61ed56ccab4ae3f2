"""Variations of a preset, rendered by the engine: "more like this"."""

from collections.abc import Collection

import numpy as np

from vjax.audio.distances import mss
from vjax.engine.pool import RenderPool
from vjax.matching.choose import Report, choose
from vjax.matching.differing import differing
from vjax.search.candidate import Candidate
from vjax.search.judge import Judge
from vjax.search.objective import Objective, ObjectiveConfig
from vjax.search.target import Sought
from vjax.search.vary import varied

AWAY_DB = 3.0
"""The default distance of variations to their origin, MSS."""

VARIED = ", varied"
"""Suffix of the label of a variation."""

_TRIED = 3  # variations that are rendered for each one that is returned
_BATCH = 4  # as in `vjax.matching.prepare`, so that nothing else is compiled


def variations(
    origin: Candidate,
    sought: Sought,
    pool: RenderPool,
    n: int = 4,
    away_db: float = AWAY_DB,
    locked: Collection[str] = (),
    seed: int = 0,
    on_progress: Report | None = None,
) -> list[Candidate]:
    """At most `n` variations of a candidate at the level and the pitch of a sound, the nearest in MSS first.

    Of the variations that were rendered, these are about `away_db` away from `origin`, and they differ from it and from
    each other by sound. Silent and invalid ones are left out.

    Args:
      sought: the sound, with the note that is played.
      away_db: MSS to the render of `origin`, above 0.
      locked, seed: as in `vjax.search.vary.varied`.

    Raises ValueError as `varied` does, and if the sound, or the origin, is silent.
    """
    if not away_db > 0:
        raise ValueError(f"away_db={away_db}; expected a distance above 0 dB")
    label, presets = origin.label.removesuffix(VARIED) + VARIED, varied(origin.preset, _TRIED * n, locked, seed)
    tried = [Candidate("", origin.preset), *(Candidate(label, one, kind=origin.kind) for one in presets)]
    objective = Objective(ObjectiveConfig(), 1, _BATCH, pool.config.samples, pool.config.sample_rate)
    objective.set_target(0, sought.audio)
    choice = choose(
        tried, sought, Judge(objective, pool), 0, pool, equalise=0, on_progress=on_progress, n_candidates=len(tried)
    )
    first = next(one for one in choice.candidates if not one.label)
    if first.error:
        raise ValueError(f"{origin.preset.name!r} has no variations: {first.error}")
    others = [one for one in choice.candidates if one.label and not one.error]
    rate = pool.config.sample_rate
    off_db = [abs(float(mss(one.levelled_audio, first.levelled_audio, rate)) - away_db) for one in others]
    by_distance = [others[i] for i in np.argsort(off_db, kind="stable")]
    kept = differing(by_distance, n, rate, beside=[first], structure=False)
    return sorted(kept, key=lambda one: one.mss_db)
