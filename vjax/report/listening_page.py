"""The page of a listening test: one HTML file, as the report, that a listener opens in a browser.

Each trial plays the target and two candidates, A and B, without names, and asks which one is more like the target. Each
comparison occurs twice, in both orders. The browser shuffles the trials. At the end the listener exports the answers as
a file, which `vjax evaluate --listen FILE` reads (`vjax.evaluation.listener_answers`).
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.files import read_audio
from vjax.audio.loudness import loudness_lufs
from vjax.io.atomic import replacing
from vjax.page.media import SAMPLE_RATE, mp3_address
from vjax.page.parts import MARK, asset, embedded_json, policy
from vjax.report.evaluation_folder import Evaluation, read_evaluation

PAIRS = (("match", "nearest"), ("match", "closest"), ("patch", "knobs"))
"""Methods that are compared with each other."""

COMPARISONS = 24
"""Comparisons in a page, each played twice. 48 trials take about ten minutes."""

_SCRIPTS = ("elements.js", "listen.js")
_LEVEL_NEEDS_S = 0.4  # shorter sounds have no loudness, so their RMS is used


def write_listening_page(folder: str | Path, pairs: Sequence[tuple[str, str]] = PAIRS, seed: int = 0) -> Path | None:
    """Writes `folder/listen.html` from an evaluation's folder; None if no target has the sounds of a pair.

    The sounds of a trial have the loudness of the target, so that the louder one does not win by that alone.

    Args:
      folder: written by `vjax evaluate`.
      seed: of the choice of targets, if there are more than COMPARISONS.

    Raises:
      ValueError: the folder contains no evaluation.
    """
    folder = Path(folder)
    evaluation = read_evaluation(folder)
    chosen = list(comparisons(evaluation, pairs, seed))
    path = folder / "listen.html"
    if not chosen:
        return None
    style, script = asset("style.css"), "\n".join(asset(name) for name in _SCRIPTS)
    parts = {
        "CSP": policy(style, script),
        "TITLE": html.escape(f"Listening test: {folder.resolve().name}"),
        "STYLE": style,
        "DATA": embedded_json(_content(folder, chosen)),
        "SCRIPT": script,
    }
    with replacing(path) as partial:
        partial.write_text(MARK.sub(lambda mark: parts[mark.group(1)], asset("listen.html")), encoding="utf-8")
    return path


def comparisons(
    evaluation: Evaluation, pairs: Sequence[tuple[str, str]] = PAIRS, seed: int = 0
) -> Iterator[tuple[str, str, str]]:
    """Yields at most COMPARISONS (target id, method, other method), as many of each pair as possible.

    Left out are targets without one of the three sounds, and pairs whose sounds are equal.
    """
    order = np.random.default_rng(seed).permutation(len(evaluation.targets))
    usable: list[list[tuple[str, str, str]]] = []
    for pair in pairs:
        found = [
            (evaluation.targets[i].id, *pair) for i in order if _differ(evaluation, evaluation.targets[i].id, pair)
        ]
        if found:
            usable.append(found)
    ranked = sorted(((rank, one) for found in usable for rank, one in enumerate(found)), key=lambda item: item[0])
    yield from (one for _, one in ranked[:COMPARISONS])


def _differ(evaluation: Evaluation, target: str, pair: tuple[str, str]) -> bool:
    rows, sounds = evaluation.rows[target], evaluation.folder / "sounds" / target
    if not all(method in rows and rows[method].scored for method in pair):
        return False
    files = [sounds / f"{name}.wav" for name in ("target", *pair)]
    return all(file.is_file() for file in files) and files[1].read_bytes() != files[2].read_bytes()


def _content(folder: Path, chosen: Sequence[tuple[str, str, str]]) -> Mapping[str, Any]:
    """The page's data: audio by number, and the comparisons with the numbers of their sounds."""
    numbers: dict[tuple[str, str], int] = {}
    audio: list[str] = []
    for target, *methods in chosen:
        wanted = read_audio(folder / "sounds" / target / "target.wav", SAMPLE_RATE)[:2]
        for name in ("target", *methods):
            if (target, name) not in numbers:
                sound = read_audio(folder / "sounds" / target / f"{name}.wav", SAMPLE_RATE)[:2]
                numbers[target, name] = len(audio)
                audio.append(mp3_address(_at_level(sound, wanted)))
    return {
        "evaluation": folder.resolve().name,
        "audio": audio,
        "comparisons": [
            {"target": target, "methods": methods, "sounds": [numbers[target, name] for name in ("target", *methods)]}
            for target, *methods in chosen
        ],
    }


def _at_level(sound: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The sound at the loudness of the target after that was lowered to a peak of 0.5, so that neither clips."""
    wanted = target * (0.5 / max(float(np.abs(target).max()), 1e-9))
    gain = 10 ** ((_level_db(wanted) - _level_db(sound)) / 20)
    return sound * min(gain, 1 / max(float(np.abs(sound).max()), 1e-9))


def _level_db(sound: np.ndarray) -> float:
    lufs = float(loudness_lufs(sound, SAMPLE_RATE)) if sound.shape[-1] >= _LEVEL_NEEDS_S * SAMPLE_RATE else np.nan
    return lufs if np.isfinite(lufs) else float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))
