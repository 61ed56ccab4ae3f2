"""The product's verb: from a sound to its preset.

`match` predicts a preset, gathers the candidates that compete with it (`candidates`), lets the engine rank them
(`vjax.matching.choose`), takes the preferred one (`vjax.matching.preferred`), searches on from there if that is asked
for, and plays what it found once more for the numbers that it returns. The command, the Python API, batches and
evaluations all call it.
"""

from collections.abc import Callable, Sequence

from vjax.audio.clip import Clip
from vjax.engine.pool import RenderPool
from vjax.inference.predict import Answer, Predictor, knob_errors
from vjax.matching.choose import Progress, Report
from vjax.matching.config import DEFAULT, MatchConfig
from vjax.matching.finish import finish
from vjax.matching.prepare import Banks, no_banks, prepare
from vjax.matching.result import MatchResult
from vjax.search.evolution import Progress as SearchProgress
from vjax.search.refine import refine
from vjax.search.target import Start


def match(
    clip: Clip,
    predictor: Predictor | None,
    pool: RenderPool,
    config: MatchConfig = DEFAULT,
    banks: Banks = no_banks,
    *,
    prediction: Answer | None = None,
    candidates: Sequence[Start] = (),
    only_candidates: bool = False,
    others: Sequence[tuple[Clip, int | None]] = (),
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """The preset of a sound that `config.prefer` asks for, and the closest beside it.

    Args:
      clip: the sound.
      predictor: the model.
      pool: renders; its config says how presets are played, see `vjax.inference.predict.render_config`.
      config: what to try.
      banks: presets with their sounds, to search for neighbours.
      prediction: of this sound, where the caller has it (from a batch, or of a dataset's stored spectrogram).
      candidates: presets that compete as well: what an earlier search had found, or what the caller has.
      only_candidates: nothing competes with `candidates`. There is no prediction then, and `predictor` may be None.
      others: further recordings of the same instrument with their MIDI notes, None estimates one. The preset is then
        for all of them: see `vjax.matching.together`. It is equalised to, and has the level of, `clip`.
      on_progress: called in this thread with each `Progress`.
      should_stop: asked between a search's generations; True ends it with its best so far.

    Returns:
      The result. Without any audible candidate it is the predicted preset, with a warning.

    Raises:
      ValueError: a sound is silent or too short; or a search has no audible candidate to begin from, or `others`.
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
        report(Progress("searching", found.evals, config.refine.evals, found.start))

    target, errors = prepared.refine_target(), knob_errors(predictor) if predictor else {}
    (refined,) = refine([target], config.refine, pool.config, pool.workers, errors, follow, should_stop, pool=pool)
    return finish(prepared, pool, refined)
