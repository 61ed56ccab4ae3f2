"""The settings of an evaluation, which a continued run compares."""

import argparse
import dataclasses
import hashlib
from pathlib import Path

from vjax.cli.refine_flags import resynthesis_config


def model_settings(arguments: argparse.Namespace, predictor) -> dict:
    """The settings of the model. A digest of the weights identifies it, because training changes a folder's model."""
    import jax
    import numpy as np

    from vjax.matching.config import MatchConfig

    if predictor is None:
        return {"checkpoint": None}
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(predictor.variables):
        digest.update(np.asarray(leaf).tobytes())
    return {
        "checkpoint": str(Path(arguments.checkpoint).absolute()),
        "which": arguments.which,
        "step": predictor.step,
        "patch": not arguments.no_patch,
        "prefer": MatchConfig.prefer,  # of `match`; older folders lack it, and their `match` is the closest candidate
        "weights_sha256": digest.hexdigest(),
    }


def plan_settings(arguments: argparse.Namespace, render) -> dict:
    from vjax.audio.metric_names import METRICS, TRAITS
    from vjax.engine.synth import VERSION
    from vjax.evaluation.roundtrip import REFERENCE_SEEDS
    from vjax.search.refine_config import RefineConfig

    resynthesis = resynthesis_config(arguments)
    refine = dataclasses.asdict(RefineConfig())
    del refine["evals"], refine["locked"]  # the budgets, which may grow; and what no flag sets
    return {
        "limit": arguments.limit,
        "starts": arguments.starts,
        "refine_evals": arguments.refine_evals,
        "refine": refine,
        "resynthesis": dataclasses.asdict(resynthesis) if resynthesis else None,
        "render": dataclasses.asdict(render),
        "floor_seeds": REFERENCE_SEEDS,
        "metrics": (*METRICS, *TRAITS),
        "random": "the median over all other presets of the bank, for recordings over a sample, metric by metric",
        "engine": VERSION,
    }
