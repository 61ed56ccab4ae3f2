"""Where a refinement may begin: the network's answer, variants that are likely too, banks, and the sound itself."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from vjax.data.shard import log_mel
from vjax.inference.match import Match, like_render, render_config, transposed
from vjax.inference.predict import Predictor
from vjax.inference.resynthesis import resynthesised
from vjax.inference.retrieval import SoundBank, index_picture
from vjax.inference.routes import MAX_ROUTES, route_arrays
from vjax.inference.target import RefineTarget, Start
from vjax.inference.wavetable_fit import WavetableFitConfig
from vjax.model.heads import split_logits
from vjax.model.inverse import Prediction
from vjax.schema import Parameters, Schema
from vjax.training.modulation import ROUTE_THRESHOLD
from vjax.vital.vocabulary import Vocabulary, to_preset

_THRESHOLDS = tuple(factor * ROUTE_THRESHOLD for factor in (1.0, 3.0, 0.4))
_SHARPNESS = 2.0  # training smooths labels: a menu that the network is sure of keeps a tenth for its other options
_NEIGHBOURS = 3  # for each variant: pictures rank roughly, and the best of ten by sound is 0.2 dB nearer than of three
_MOST_ROUTES = (MAX_ROUTES, MAX_ROUTES // 4, 2 * MAX_ROUTES)


PREDICTION = "prediction"
"""Label of the network's own answer, which is always the first start."""

VARIANT = "variant"
"""Begins the labels of its variants."""


def refine_target(
    predictor: Predictor,
    vocabulary: Vocabulary,
    match: Match,
    banks: Sequence[SoundBank],
    k: int,
    name: str,
    resynthesis: WavetableFitConfig | None = None,
) -> RefineTarget:
    """A match as a target of refinement: its sound, and its starts.

    The starts are the match's preset, presets whose wavetables are made of the sound, `k` variants of the answer, and
    the `3 k` nearest sounds of each bank. With a `k` of 0 it is the first one alone.

    Args:
      name: of the target, unique in a run.
      resynthesis: how such wavetables are fitted, in seconds of work; None for no such starts.
    """
    audio = like_render(match.target, (2, predictor.samples))
    starts = [Start(PREDICTION, match.preset)]
    if k:
        if resynthesis:  # first, for it wins mostly, and a small budget plays the first few only
            render = render_config(predictor).held(match.note_s)
            starts += resynthesised(audio, match.note, render, resynthesis, match.preset.name)
        heard = jax.device_get(predictor.hear(audio.mean(0)[None]).prediction)
        prediction = jax.tree.map(lambda array: array[0], heard)
        for i, variant in enumerate(answer_variants(prediction, match.answer.parameters, predictor.schema, k), start=1):
            preset = to_preset(variant, predictor.schema, vocabulary, name=match.preset.name, author="vjax")
            starts.append(Start(f"{VARIANT} {i}", transposed(preset, match.tuned_semitones)[0]))
        picture = index_picture(log_mel(audio[None], predictor.mel)[0])
        for bank in banks:
            starts += [Start(found.name, found.preset) for found in bank.nearest(picture, match.note, _NEIGHBOURS * k)]
    return RefineTarget(name, audio, match.note, tuple(starts), note_s=match.note_s)


def answer_variants(
    prediction: Prediction, answer: Parameters, schema: Schema, k: int, seed: int = 0
) -> list[Parameters]:
    """`k` presets that the network holds for likely besides its answer.

    Menus are drawn anew by their probabilities (a menu that is sure stays), routes are cut at another threshold, in
    turn; knobs stay. Variants equal to the answer or to each other are left out, so that fewer than `k` may come.

    Args:
      prediction: of one sound, without batch axis, on the host.
      answer: the decoded preset.
    """
    found: list[Parameters] = []
    for candidate in _draws(prediction, answer, schema, 4 * k, seed):
        if len(found) == k:
            break
        if not any(_equal(candidate, other) for other in (answer, *found)):
            found.append(candidate)
    return found


def _draws(prediction: Prediction, answer: Parameters, schema: Schema, n: int, seed: int) -> Iterator[Parameters]:
    rng = np.random.default_rng(seed)
    logits = split_logits(np.asarray(prediction.categorical_logits), schema.option_counts)
    frozen = schema.frozen_categorical()
    for i in range(n):
        categorical = answer.categorical.copy()
        for menu, values in enumerate(logits):
            # The largest of logits plus Gumbel noise is a draw from their softmax.
            drawn = int(np.argmax(_SHARPNESS * values + rng.gumbel(size=values.shape)))
            if not frozen[menu]:
                categorical[menu] = drawn
        routes = answer.route_index, answer.route_value
        if prediction.modulation is not None:
            way = (i + 1) % len(_THRESHOLDS)
            routes = route_arrays(np.asarray(prediction.modulation), schema, _THRESHOLDS[way], _MOST_ROUTES[way])
        yield Parameters(answer.continuous, categorical, *routes)


def _equal(a: Parameters, b: Parameters) -> bool:
    pairs: Sequence[tuple[np.ndarray, np.ndarray]] = tuple(zip(a, b, strict=True))
    return all(np.array_equal(x, y) for x, y in pairs)
