"""Matches a sound: estimates the preset that makes it.

A match has these steps:

1. It predicts a preset and collects the candidates that compete with it (`vjax.matching.prepare`, `vjax.candidates`).
2. It renders and ranks all candidates (`vjax.matching.choose`).
3. It selects the preferred candidate (`vjax.matching.preferred`).
4. If `config.refine` is set, it runs a search from this candidate (`vjax.search.refine`).
5. It renders the result again, and measures the metrics that it returns (`vjax.matching.finish`).

The command line, the Python API, batches and evaluations all use these steps.
"""

from collections.abc import Callable, Sequence

from vjax.audio.clip import Clip
from vjax.engine.pool import RenderPool
from vjax.inference.decode import PredictedPreset
from vjax.inference.predict import Predictor, knob_errors
from vjax.matching.choose import Progress, Report
from vjax.matching.config import DEFAULT, MatchConfig
from vjax.matching.finish import finish
from vjax.matching.prepare import Banks, no_banks, prepare
from vjax.matching.result import MatchResult
from vjax.search.candidate import Candidate
from vjax.search.evolution import Progress as SearchProgress
from vjax.search.refine import refine


def match(
    clip: Clip,
    predictor: Predictor | None,
    pool: RenderPool,
    config: MatchConfig = DEFAULT,
    banks: Banks = no_banks,
    *,
    prediction: PredictedPreset | None = None,
    candidates: Sequence[Candidate] = (),
    only_candidates: bool = False,
    others: Sequence[tuple[Clip, int | None]] = (),
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """Estimates the preset of a sound that `config.prefer` selects, and the closest preset if it is another one.

    Args:
      clip: the sound.
      predictor: the model.
      pool: renders presets; its config defines how they are played, see `vjax.inference.predict.render_config`.
      config: the settings.
      banks: presets with their sounds, to search for neighbours.
      prediction: the prediction for this sound, if the caller has it (from a batch, or from a dataset's stored
        spectrogram).
      candidates: further presets that compete: the result of an earlier search, or presets of the caller.
      only_candidates: only `candidates` compete. There is no prediction then, and `predictor` may be None.
      others: further recordings of the same instrument with their MIDI notes; None estimates a note. The preset is then
        estimated for all recordings, see `vjax.matching.together`. It is equalised to `clip`, and has its level.
      on_progress: called in this thread with each `Progress`.
      should_stop: called between a search's generations; True ends the search, which returns its best preset so far.

    Returns:
      The result. If no candidate is audible, it is the first one (normally the predicted preset), with a warning.

    Raises:
      ValueError: a sound is silent or too short; or a search has no audible candidate to begin from; or a search is
        requested together with `others`.
    """
    prepared = prepare(
        clip,
        predictor,
        pool,
        config,
        banks,
        prediction=prediction,
        candidates=candidates,
        only_candidates=only_candidates,
        others=others,
        on_progress=on_progress,
    )
    if config.refine is None:
        return finish(prepared, pool)
    report = on_progress or (lambda progress: None)

    def follow(found: SearchProgress) -> None:
        budget = config.refine.evals if config.refine else 0
        report(Progress("searching", found.evals, budget, found.label))

    target, errors = prepared.refine_target(), knob_errors(predictor) if predictor else {}
    (refined,) = refine([target], config.refine, pool.config, pool.workers, errors, follow, should_stop, pool=pool)
    return finish(prepared, pool, refined)
