"""The product's verb: from a sound to the preset that comes nearest to it.

`match` predicts a preset, gathers the candidates that compete with it (`candidates`), lets the engine choose
(`vjax.matching.choose`), searches on from there if that is asked for, and plays what it found once more for the
numbers that it returns. The command, the Python API, batches and evaluations all call it.
"""

import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.distances import mss
from vjax.audio.held import is_held
from vjax.audio.metrics import METRICS
from vjax.audio.pitch import detect_pitch
from vjax.candidates.predicted import PREDICTION, VARIANT, variants
from vjax.inference.export import export_preset
from vjax.inference.judge import Judge, Judged
from vjax.inference.level import level_range_db, with_gain
from vjax.inference.objective import Objective, ObjectiveConfig
from vjax.inference.predict import Answer, Predictor, knob_errors
from vjax.inference.refine import Refined, refine
from vjax.inference.resynthesis import resynthesised
from vjax.inference.retrieval import SoundBank, index_picture
from vjax.inference.search import Progress as SearchProgress
from vjax.inference.target import RefineTarget, Sought, Start
from vjax.matching.choose import Candidate, Choice, Progress, Report, choose
from vjax.matching.config import DEFAULT, DEFAULT_NOTE, MatchConfig
from vjax.matching.describe import comment, style_of
from vjax.matching.result import MatchResult
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderPool
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import to_preset

NEIGHBOURS = 3
"""Of each bank, for each variant: features rank roughly; the best of ten by sound is 0.2 dB nearer than of three."""

FULL_SCALE = 10 ** (-0.1 / 20)
"""The highest peak that is written, unless the sound itself peaks higher: a converter clips what is above 1."""

_BATCH = 4  # candidates scored in one call: few, so that scoring keeps up with rendering
_OFF_LEVEL_DB = 1.0  # a level that is further off is worth a warning

Banks = Callable[[int], Sequence[SoundBank]]
"""From the MIDI note that is played to the banks to search."""


def no_banks(note: int) -> Sequence[SoundBank]:
    """Searches no bank."""
    return ()


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
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> MatchResult:
    """The preset that comes nearest to a sound.

    Args:
      clip: the sound.
      predictor: the model.
      pool: renders; its config says how presets are played, see `vjax.inference.predict.render_config`.
      config: what to try.
      banks: presets with their sounds, to search for neighbours.
      prediction: of this sound, where the caller has it (from a batch, or of a dataset's stored spectrogram).
      candidates: presets that compete as well: what an earlier search had found, or what the caller has.
      only_candidates: nothing competes with `candidates`. There is no prediction then, and `predictor` may be None.
      on_progress: called in this thread with each `Progress`.
      should_stop: asked between a search's generations; True ends it with its best so far.

    Returns:
      The result. Without any audible candidate it is the predicted preset, with a warning.

    Raises:
      ValueError: the sound is silent or too short; or a search has no audible candidate to begin from.
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


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A sound whose candidates are ranked: what a search begins from, and what `finish` makes a result of."""

    clip: Clip
    config: MatchConfig
    sought: Sought
    prediction: Answer | None
    choice: Choice
    judge: Judge
    began_s: float

    @property
    def predicted(self) -> Candidate | None:
        """The predicted preset as it was played: tuned, at its own level."""
        return next((one for one in self.choice.as_played if one.label == PREDICTION), None)

    def refine_target(self, spent: int = 0) -> RefineTarget:
        """What `refine` takes, named as the clip is; `spent` renders were used before. Raises ValueError if no
        candidate is audible."""
        if self.choice.best is None:
            reasons = "; ".join(f"{one.label}: {one.error}" for one in self.choice.candidates[:3])
            raise ValueError(
                f"{self.clip.name}: all {len(self.choice.candidates)} candidates are silent or failed at note "
                f"{self.sought.note} ({reasons}); give another --note, or more candidates"
            )
        ranking = self.choice.ranking()
        starts = tuple(one.start for one in ranking.starts)
        return RefineTarget(
            self.clip.name,
            self.sought.audio,
            self.sought.note,
            starts,
            spent=spent,
            note_s=self.sought.note_s,
            ranking=ranking,
        )


def prepare(
    clip: Clip,
    predictor: Predictor | None,
    pool: RenderPool,
    config: MatchConfig = DEFAULT,
    banks: Banks = no_banks,
    *,
    prediction: Answer | None = None,
    candidates: Sequence[Start] = (),
    only_candidates: bool = False,
    on_progress: Report | None = None,
) -> Prepared:
    """Predicts, gathers the candidates and ranks them. Arguments and errors as in `match`."""
    began_s = time.monotonic()
    report = on_progress or (lambda progress: None)
    render = pool.config
    note, note_s = note_of(clip, config), note_length_s(clip, render, config)
    pitch = clip.pitch if config.tune and clip.pitch.clear else None
    sought = Sought(clip.stereo(render.samples), note, note_s, clip.sample_rate, pitch)
    weights = config.refine.objective if config.refine else ObjectiveConfig()
    objective = Objective(weights, 1, _BATCH, render.samples, render.sample_rate)
    try:
        objective.set_target(0, sought.audio)
    except ValueError as error:
        raise ValueError(f"{clip.name}: {error}") from error
    judge = Judge(objective, pool)
    choosing = functools.partial(
        choose,
        sought=sought,
        judge=judge,
        place=0,
        pool=pool,
        fits=config.fits,
        level=config.level,
        budget=config.refine.evals if config.refine else None,
        on_progress=on_progress,
    )
    if only_candidates:
        return Prepared(clip, config, sought, None, choosing(candidates, n_starts=len(candidates)), judge, began_s)
    report(Progress("predicting", 0, 1))
    prediction = prediction or predictor.predict_clip(clip)
    searched = banks(note) if config.variants else ()
    with ThreadPoolExecutor(1, "vjax-resynthesis") as thread:  # fits tables while the engine plays the others
        tables = config.variants and config.resynthesis and thread.submit(_resynthesis, clip, sought, render, config)
        starts = _starts(predictor, prediction, clip.title, note, config, searched)
        starts = itertools.chain(starts, candidates, _late(tables))
        n_starts = 1 + config.variants * (1 + NEIGHBOURS * len(searched)) + len(candidates) + 2 * bool(tables)
        choice = choosing(starts, n_starts=n_starts)
    return Prepared(clip, config, sought, prediction, choice, judge, began_s)


def note_of(clip: Clip, config: MatchConfig = DEFAULT) -> int:
    """The MIDI note to play: the given one, or the sound's if its pitch is clear, or `DEFAULT_NOTE`."""
    if config.note is not None:
        return config.note
    return clip.pitch.note if clip.pitch.clear else DEFAULT_NOTE


def note_length_s(clip: Clip, render: RenderConfig, config: MatchConfig = DEFAULT) -> float:
    """Seconds from note-on to note-off: as given, or all of a render if the sound goes on as if its note were held."""
    if config.note_s is not None:
        return config.note_s
    held = is_held(clip.stereo(render.samples), render.sample_rate, render.note_s)
    return render.seconds if held else render.note_s


def _starts(
    predictor: Predictor, prediction: Answer, title: str, note: int, config: MatchConfig, banks: Sequence[SoundBank]
) -> Iterator[Start]:
    """The presets that compete, the predicted one first."""
    schema, vocabulary = predictor.schema, predictor.vocabulary
    yield Start(PREDICTION, export_preset(prediction, schema, vocabulary, title))
    if not config.variants:
        return
    others = variants(prediction.network, prediction.parameters, schema, config.variants)
    for i, variant in enumerate(others, start=1):
        yield Start(f"{VARIANT} {i}", to_preset(variant, schema, vocabulary, name=title, author="vjax"))
    picture = index_picture(prediction.mel[0])
    for bank in banks:
        for found in bank.nearest(picture, note, NEIGHBOURS * config.variants):
            yield Start(found.name, found.preset)


def _late(tables: "Future[list[Start]] | None") -> Iterator[Start]:
    """Those that are still being made when the others are asked for."""
    if tables:
        yield from tables.result()


def _resynthesis(clip: Clip, sought: Sought, render: RenderConfig, config: MatchConfig) -> list[Start]:
    held = dataclasses.replace(render, note_s=sought.note_s)
    after = np.broadcast_to(clip.after, (2, clip.after.shape[1]))
    return resynthesised(sought.audio, sought.note, held, config.resynthesis, clip.title, clip.pitch, after)


def finish(prepared: Prepared, pool: RenderPool, refined: Refined | None = None) -> MatchResult:
    """Plays the best candidate, or what a search found, once more, and describes the preset that is to be written.

    Raises ValueError if the search had no result.
    """
    clip, sought, choice, render = prepared.clip, prepared.sought, prepared.choice, pool.config
    if refined is not None and refined.error:
        raise ValueError(refined.error)
    warnings = []
    if choice.best is None:
        first = choice.as_played[0]
        label, preset, judged = first.label, first.preset, None
        warnings.append(f"no candidate is audible; {label!r} is written: {first.error}")
    else:
        label, preset = (refined.start, refined.preset) if refined else (choice.best.label, choice.best.preset)
        judged = prepared.judge.judged(Start(label, preset), sought, 0)
        if prepared.config.level:
            preset, judged, warnings = _within_scale(preset, judged, label, prepared)
    metrics = judged.distances if judged else dict.fromkeys(METRICS, math.nan)
    audio = judged.audio if judged else _or_silence(choice.as_played[0].audio, sought.audio)
    plays = detect_pitch(audio, clip.sample_rate)
    evals = refined.evals if refined else choice.evals
    found = f"{label}, after a search of {evals} renders" if refined and refined.trace[1:] else label
    name = clip.title
    preset = dataclasses.replace(
        preset,
        name=name,
        author=preset.author or "vjax",
        style=style_of(sought.audio, clip.sample_rate, sought.note, sought.note_s, clip.pitch),
        comments=comment(name, sought.note, sought.note_s, found, metrics, preset.comments),
    )
    return MatchResult(
        name=clip.name,
        preset=preset,
        label=label,
        audio=audio,
        target=sought.audio,
        sample_rate=clip.sample_rate,
        note=sought.note,
        note_s=sought.note_s,
        velocity=render.velocity,
        note_given=prepared.config.note is not None,
        pitch=clip.pitch,
        plays=plays,
        loss=judged.loss if judged else math.nan,
        metrics=metrics,
        re_render_db=_re_render_db(judged, clip.sample_rate),
        candidates=choice.candidates,
        prediction=prepared.prediction,
        predicted=prepared.predicted,
        trace=refined.trace if refined else (),
        evals=evals,
        seconds=time.monotonic() - prepared.began_s,
        warnings=tuple(warnings),
    )


def _within_scale(preset: Preset, judged: Judged, label: str, prepared: Prepared) -> tuple[Preset, Judged, list[str]]:
    """The preset made softer where its peaks would clip, and warnings where it is not as loud as the sound."""
    sought, warnings = prepared.sought, []
    peak = max(float(np.abs(sound).max()) for sound in judged.sounds)
    most = max(FULL_SCALE, float(np.abs(sought.audio).max()))
    if peak > most:
        softest_db, _ = level_range_db(preset)
        preset = with_gain(preset, max(20 * math.log10(most / peak), softest_db))
        judged = prepared.judge.judged(Start(label, preset), sought, 0)
        peak = max(float(np.abs(sound).max()) for sound in judged.sounds)
    off = judged.distances.get("loudness_difference", math.nan)
    if off > _OFF_LEVEL_DB:
        warnings.append(
            f"the preset is {off:.1f} LU louder or softer than the sound: "
            + ("louder, it would clip" if peak > 0.9 * most else "its volume is at the end of its range")
        )
    if peak > most:
        warnings.append(f"the preset peaks at {20 * math.log10(peak):+.1f} dBFS: turn its volume down before it clips")
    return preset, judged, warnings


def _or_silence(audio: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) if audio is None else audio


def _re_render_db(judged: Judged | None, sample_rate: int) -> float:
    """MSS between the first render and the others, which differ in the engine's seed alone."""
    if judged is None or len(judged.sounds) < 2:
        return math.nan
    first, *others = judged.sounds
    return float(np.mean(mss(np.stack(others), first, sample_rate)))
