"""Generates datasets with the real engine: samples presets, renders them, computes log-mel spectrograms, writes shards.

A shard depends only on the settings and its own number (`vjax.data.shard`). A killed run therefore continues at the
first missing shard. It ends with the same bytes for any number of workers, on one machine or on many.
"""

import collections
import contextlib
import ctypes
import dataclasses
import gc
import hashlib
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vjax.data import layout
from vjax.data.layout import DatasetError
from vjax.data.preset_bank import Bank, load_bank
from vjax.data.sampling import parameters_hash
from vjax.data.shard import CandidateCheck, GenerationConfig, OnCandidate, Shard, ShardInputs, make_shards
from vjax.data.store import digest
from vjax.data.write_shard import write_shard
from vjax.engine.pool import RenderPool
from vjax.engine.scheduler import Scheduler, scheduler_session
from vjax.engine.synth import VERSION
from vjax.io.folder_lock import locked
from vjax.io.progress import progress_bar

GENERATOR_VERSION = "3"
"""Raise it when the same settings no longer give the same data."""


@dataclasses.dataclass(frozen=True)
class GenerationReport:
    """Totals over all shards, earlier and new ones: rows and presets kept, and rejected candidates by reason."""

    rows: int
    presets: int
    rejected: dict[str, int]

    @property
    def rejected_share(self) -> float:
        n = sum(self.rejected.values())
        return n / max(n + self.presets, 1)


def generate(
    config: GenerationConfig,
    out: str | os.PathLike,
    n: int,
    seed: int = 0,
    workers: int | None = None,
    presets: str | os.PathLike | None = None,
    progress: bool = True,
    scheduler: Scheduler = "local",
) -> GenerationReport:
    """Fills the folder `out` with shards of `n` rows in total. Keeps finished shards of the same settings.

    Args:
      workers: number of processes that render; by default one per core. With the scheduler "ray", the number of shards
        made at a time.
      presets: folder of people's presets to mix in.
      scheduler: "ray" makes shards on a cluster. The bytes are the same as with "local". Each scheduler can continue a
        folder of the other.

    Raises:
      DatasetError: `out` contains data of other settings.
      FolderInUseError: another process writes to `out`.
      ValueError: invalid settings, or a shard of which every candidate was rejected.
    """
    if n < 1:
        raise ValueError(f"n={n}; it must be at least 1")
    with locked(out):
        return _generate(config, Path(out), n, seed, workers, presets, progress, scheduler)


def _generate(
    config: GenerationConfig,
    out: Path,
    n: int,
    seed: int,
    workers: int | None,
    presets: str | os.PathLike | None,
    progress: bool,
    scheduler: Scheduler,
) -> GenerationReport:
    bank = load_bank(presets, warn=lambda text: tqdm.write(text))
    schema = bank.vocabulary.schema()
    catalog_json = bank.vocabulary.to_json_string()
    fingerprint = _fingerprint(config, seed, bank, digest(catalog_json))
    done = _finished_shards(out, fingerprint, n)
    rows = sum(shard["rows"] for shard in done)
    presets_kept = sum(shard["presets"] for shard in done)
    rejected = collections.Counter()
    for shard in done:
        rejected.update(shard["rejected"])
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            progress_bar(total=n, initial=rows, unit="sound", disable=not progress, desc="rendering")
        )
        inputs, on_candidate = ShardInputs(config, schema, bank, seed), _candidate_reporter(config, bar)
        shards = _shards(inputs, len(done), n - rows, workers, scheduler, on_candidate)
        for shard in stack.enter_context(contextlib.closing(shards)):
            if not shard.presets:
                raise ValueError(
                    f"shard {shard.number}: every candidate was rejected ({shard.rejected}); "
                    "raise generation.presets_per_shard, or choose another seed"
                )
            summary = {"rows": shard.rows, "presets": shard.presets, "rejected": shard.rejected, "cut": shard.cut}
            attributes = _attributes(config, fingerprint, summary)
            # The catalog takes megabytes, so only the first shard of the folder stores it.
            attributes |= {"catalog_sha256": digest(catalog_json)} if shard.number else {"catalog": catalog_json}
            write_shard(out / layout.shard_name(shard.number), schema, shard.arrays, attributes)
            rows += shard.rows
            presets_kept += shard.presets
            rejected.update(shard.rejected)
            _release_memory()
    return GenerationReport(rows, presets_kept, dict(rejected))


def _shards(
    inputs: ShardInputs, first: int, rows: int, workers: int | None, scheduler: Scheduler, on_candidate: OnCandidate
) -> Generator[Shard]:
    """Yields shards with `rows` rows in total, from number `first` on."""
    if not rows:
        return
    with scheduler_session(scheduler):
        if scheduler == "ray":
            from vjax.data.shard_tasks import make_shards_by_ray

            yield from make_shards_by_ray(inputs, first, rows, workers, on_candidate)
        else:
            with RenderPool(inputs.config.render, workers) as pool:
                yield from make_shards(inputs, first, rows, pool, on_candidate)


def _release_memory() -> None:
    """Returns free memory to the system, if the C library can: glibc keeps the memory of freed arrays of many sizes.

    Collects reference cycles first, because they may contain sounds. Python looks for old cycles only when a quarter of
    all objects is new.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # no shared C library, or not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _candidate_reporter(config: GenerationConfig, bar: tqdm) -> OnCandidate:
    """Returns a callback that advances the progress bar and reports the candidates that have no sound."""
    rejected = 0

    def on_candidate(shard: int, candidate: int, check: CandidateCheck) -> None:
        nonlocal rejected
        rejected = (rejected if candidate else 0) + bool(check.reason)
        if check.error:
            tqdm.write(f"{check.name}: {check.error}; left out")
        if not check.reason:
            bar.update(min(config.notes_per_preset, bar.total - bar.n))
        bar.set_postfix_str(f"shard {shard}, rejected {rejected} of {candidate + 1}", refresh=False)

    return on_candidate


def _fingerprint(config: GenerationConfig, seed: int, bank: Bank, catalog_sha256: str) -> str:
    """Everything that the bytes of a shard depend on, except its number, as JSON."""
    limits = {"timeout_s"}
    settings = dataclasses.asdict(config)
    settings["render"] = {key: value for key, value in settings["render"].items() if key not in limits}
    # Fields that are newer than many datasets: at their defaults they change nothing, so those can be continued.
    if settings["oversampling"]:
        del settings["oversampling"]
    if settings["sampling"]["variants"] == 1:
        del settings["sampling"]["variants"]
    material = material_hash(bank, catalog_sha256)
    settings |= {"seed": seed, "material": material, "engine": VERSION, "version": GENERATOR_VERSION}
    return json.dumps(settings, sort_keys=True)


def material_hash(bank: Bank, catalog_sha256: str) -> str:
    """A digest of the people's presets, and of the catalogs, from which presets are drawn."""
    found = hashlib.sha256(catalog_sha256.encode())
    for name, parameters in bank.entries:
        found.update(f"{name} {parameters_hash(parameters)}".encode())
    return found.hexdigest()[:16]


def _finished_shards(out: Path, fingerprint: str, n: int) -> list[dict[str, Any]]:
    """Returns the summaries of the shards to keep. Removes a last shard that was cut to an earlier, smaller `n`."""
    summaries = []
    for number, path in enumerate(layout.sorted_shards(out)):
        if path.name != layout.shard_name(number):
            raise DatasetError(
                f"{out} contains {path.name} where {layout.shard_name(number)} belongs; remove {path.name}"
            )
        with layout.open_hdf5(str(path)) as file:
            found, summary = file.attrs.get("generation"), layout.text(file.attrs.get("shard", ""))
        if found != fingerprint:
            stored, now = json.loads(layout.text(found or "{}")), json.loads(fingerprint)
            differ = [f"{key} {stored.get(key)} then, {now[key]} now" for key in now if stored.get(key) != now[key]]
            raise DatasetError(
                f"{path} was made with other settings ({'; '.join(differ)}); "
                f"choose another --out, or remove {out} to make it again"
            )
        summaries.append(json.loads(summary))
    rows = sum(summary["rows"] for summary in summaries)
    if rows > n:
        raise DatasetError(f"{out} already contains {rows} rows, more than the {n} requested; choose another --out")
    for leftover in out.glob("shard-*.h5.partial"):
        leftover.unlink()
    if rows < n and summaries and summaries[-1]["cut"]:
        summaries.pop()
        (out / layout.shard_name(len(summaries))).unlink()
    return summaries


def _attributes(config: GenerationConfig, fingerprint: str, summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "tier": config.sampling.tier,
        "mel": dataclasses.asdict(config.mel),
        "generator_version": GENERATOR_VERSION,
        "generation": fingerprint,
        "render": dataclasses.asdict(config.render),
        "shard": json.dumps(summary, sort_keys=True),
    }
