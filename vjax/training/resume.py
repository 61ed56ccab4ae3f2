"""Decides what may change when a run is continued: most settings, but none on which the saved state depends.

Both sides of a comparison are metadata of a checkpoint (`checkpoint.make_meta`): the stored ones, and those of the run
that is to continue. Values that an older checkpoint does not store are not compared.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from vjax.model.resnet import RESNET_18

KEPT = ("seed", "data.val_fraction", "data.target_encoding", "train.batch_size", "optimizer.accumulate")
"""Settings that must stay the same. Another split would validate on rows that were used for training. The order of rows
and the learning rate depend on the step, which counts batches. The optimiser's state sums `accumulate` batches."""

_FREE_MODEL_FIELDS = ("dropout", "compute_dtype", "kernels")  # the weights do not depend on them


def refused_changes(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns each change with which the stored state cannot be continued: the new and the expected value, as text."""
    pairs = _kept(stored), _kept(json.loads(json.dumps(now)))  # through JSON, so that tuples become lists
    return [f"{key} is {value}, expected {expected}" for key, expected, value in _differences(*pairs)]


def allowed_changes(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns every other change, such as "loss.modulation_weight 0.5 -> 1.0"."""
    pairs = _free(stored), _free(json.loads(json.dumps(now)))
    return [f"{key} {before} -> {after}" for key, before, after in _differences(*pairs)]


def _kept(meta: Mapping[str, Any]) -> dict[str, Any]:
    settings = _flat(meta["settings"])
    schema = meta["schema"]
    kept = {key: settings[key] for key in KEPT if key in settings}
    kept |= {"tier": meta["tier"], "mel_shape": meta["mel_shape"], **_flat(meta["mel"], "mel")}
    model = {"stage_sizes": list(RESNET_18)} | meta["model"]  # which older checkpoints do not store
    kept |= {key: value for key, value in _flat(model, "model").items() if key[6:] not in _FREE_MODEL_FIELDS}
    # The schema has too many names and options to print, so a digest is compared.
    kept["the data's schema"] = (
        f"{_digest(json.dumps(schema, sort_keys=True))} ({len(schema['continuous'])} continuous and "
        f"{len(schema['categorical'])} categorical parameters)"
    )
    if meta["wavetable_catalog_json"] is not None:
        kept["the data's catalog"] = _digest(meta["wavetable_catalog_json"])
    kept["model.option_counts"] = _digest(str(kept["model.option_counts"]))
    return kept


def _free(meta: Mapping[str, Any]) -> dict[str, Any]:
    kept = _kept(meta)
    free = {key: value for key, value in _flat(meta["settings"]).items() if key not in kept}
    free |= _flat(meta.get("render") or {}, "the data's render")
    return free | _flat(meta.get("rows", {}), "rows")


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(key, before[key], after[key]) for key in before if after.get(key, before[key]) != before[key]]


def _flat(tree: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """Converts {"loss": {"presence": "margin"}} to {"loss.presence": "margin"}."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{key}.{name}" if key else name
        flat |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return flat


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
