"""Writes the files of a match (the preset, its render, an image, its page, its JSON), and the index of many matches."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vjax.audio.files import write_wav
from vjax.audio.mel_images import comparison_image, save_image
from vjax.audio.pitch import Pitch, note_name
from vjax.inference.predict_many import RENDER_END
from vjax.io.atomic import PARTIAL_END
from vjax.io.file_names import as_text, shortened
from vjax.io.json_files import number, write_json
from vjax.matching.page import PAGE_END, is_page, write_page
from vjax.matching.preferred import CLOSEST
from vjax.matching.traces import TRACE_END, trace_image
from vjax.search.candidate import Candidate
from vjax.vital.preset import write_preset

if TYPE_CHECKING:  # `MatchResult.save` imports this module
    from vjax.matching.result import Comparison, FoundPreset, MatchResult

_IMAGE_END = "-vjax.png"


_DIGEST = "vjax-preset-sha256"  # key in the image's metadata: the digest of the preset beside it, as vjax wrote it
_CLOSEST_DIGEST = "vjax-closest-sha256"  # the same for the closest preset
_TITLE_LETTERS = 40
_NAME_BYTES = 255  # longest file name on nearly all file systems; see `_most_bytes`


def write_result(
    result: MatchResult,
    path: str | os.PathLike,
    overwrite: bool = False,
    with_target: bool = False,
    before_preset: Callable[[], None] = lambda: None,
    page: bool = False,
) -> list[Path]:
    """See `MatchResult.save`.

    Args:
      with_target: also write the sound, as `X-target.wav`; for a sound that has no file.
      before_preset: called when all other files exist. A run that is killed then has no preset, and begins again.
    """
    path = Path(path)
    check_writable(path, overwrite, page)
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.with_suffix("")
    wav, image, target = (stem.with_name(stem.name + end) for end in (RENDER_END, _IMAGE_END, "-target.wav"))
    presets = {path: result} | ({closest_path(path): result.closest} if result.closest else {})
    if closest_path(path) not in presets:
        _remove_closest(path)
    partials = {file: file.with_name(file.name + ".new") for file in presets}
    try:
        for file, found in presets.items():
            write_wav(_beside(file, RENDER_END), found.audio, result.sample_rate)
            write_preset(partials[file], found.preset)
        if with_target:
            write_wav(target, result.target, result.sample_rate)
        traces = _write_trace(stem, result) if result.trace else []
        sounds = {"sound": result.target}
        for which, found in zip(("preset", CLOSEST), presets.values(), strict=False):
            sounds[f"{which}: {shortened(as_text(found.label), _TITLE_LETTERS)}"] = found.audio
        pages = [write_page(result, path.with_suffix(PAGE_END))] if page else []
        if not page:
            _remove_page(path)
        digests: dict[str, str] = dict(zip((_DIGEST, _CLOSEST_DIGEST), map(_digest, partials.values()), strict=False))
        save_image(image, comparison_image(sounds, result.sample_rate, _title(result)), digests)
        before_preset()
        for file, partial in reversed(partials.items()):  # the preset is replaced last
            os.replace(partial, file)
    except BaseException:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
        raise
    closest = [name for file in presets if file != path for name in (file, _beside(file, RENDER_END))]
    return [path, wav, image, *pages, *closest, *traces, *([target] if with_target else [])]


def closest_path(path: Path) -> Path:
    """The path of the closest preset beside X.vital: `X (closest).vital`."""
    return path.with_name(f"{path.stem} ({CLOSEST}).vital")


def check_writable(path: str | os.PathLike, overwrite: bool = False, page: bool = False) -> None:
    """Raises what `MatchResult.save` would raise for these arguments, before the match and not after it."""
    path = Path(path)
    if path.suffix != ".vital" or os.path.isdir(path):
        raise ValueError(f"{path} is {'a folder' if os.path.isdir(path) else 'not the name of a preset'}; give X.vital")
    check_name(path)
    for file in changed_presets(path) if not overwrite else ():
        raise ValueError(
            f"{file} exists, and it is not as an earlier match wrote it; choose another name, or --overwrite it"
        )
    web_page = path.with_suffix(PAGE_END)
    if page and not overwrite and web_page.exists() and not (web_page.is_file() and is_page(web_page)):
        raise ValueError(
            f"{web_page} exists, and it is not the page of a match; choose another name, --overwrite it, or leave the "
            "page out by --no-page"
        )
    folder = next(folder for folder in path.absolute().parents if os.path.exists(folder))
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; {path} cannot be written below it")
    try:
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not show whether a file can be made
            pass
    except OSError as error:
        raise PermissionError(f"{folder} cannot be written ({error.strerror}); give another path by --out") from error
    closest = closest_path(path)
    files = [path, _beside(path, RENDER_END), _beside(path, _IMAGE_END), closest, _beside(closest, RENDER_END)]
    for file in [*files, *([web_page] if page else [])]:
        if file.exists() and not os.access(file, os.W_OK):
            raise PermissionError(f"{file} cannot be written; give another path by --out")


def check_name(path: Path) -> None:
    """Raises ValueError if the name of a file that belongs to X.vital would be too long."""
    longest = f"{closest_path(path).name}.new{PARTIAL_END}"
    n_bytes, most = len(os.fsencode(longest)), _most_bytes(path)
    if n_bytes > most:
        raise ValueError(
            f"the name of a file beside {as_text(path.name):.40}... would have {n_bytes} bytes, at most {most} are "
            f"possible; make the name {n_bytes - most} bytes shorter, by --out or by renaming the sound"
        )


def _most_bytes(path: Path) -> int:
    """The longest possible name of a file in the folder of `path`, or in the folder where that will be made."""
    folder = next(folder for folder in path.absolute().parents if os.path.exists(folder))
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # AttributeError: Windows
        return _NAME_BYTES


def changed_presets(path: Path) -> list[Path]:
    """Those of X.vital and `X (closest).vital` that exist and differ, in any byte, from what a match wrote."""
    written = _digests(path)
    files = ((path, _DIGEST), (closest_path(path), _CLOSEST_DIGEST))
    # os.path: Path.exists raises if the name is too long.
    return [file for file, key in files if os.path.exists(file) and written.get(key) != _digest(file)]


def result_json(result: MatchResult) -> dict[str, Any]:
    """See `MatchResult.as_json`. Numbers that do not exist are None, because JSON has no NaN."""
    return {
        "sound": as_text(result.name),
        "note": result.note,
        "note_name": note_name(result.note),
        "note_given": result.note_given,
        "note_s": result.note_s,
        "pitch": _pitch_json(result.pitch),
        "preset": _found_json(result, result),
        "closest": _found_json(result.closest, result) if result.closest else None,
        "references": {"re_render_mss_db": number(result.re_render_db)},
        "candidates": [_candidate_json(one) for one in result.candidates],
        "prediction": _prediction_json(result),
        "search": {"evals": result.evals, "trace": [[evals, number(loss)] for evals, loss in result.trace]},
        "seconds": round(result.seconds, 2),
        "warnings": list(result.warnings),
    }


def _write_trace(stem: Path, result: MatchResult) -> list[Path]:
    """Writes the course of a search: `X-trace.png`, and `X-trace.json` with everything that `result_json` returns.

    There is no image if the ranking of the candidates took all renders: it would be empty.
    """
    image, text = (stem.with_name(stem.name + end) for end in ("-trace.png", TRACE_END))
    write_json(text, result_json(result))
    if not result.trace[1:]:
        image.unlink(missing_ok=True)  # of an earlier match
        return [text]
    save_image(image, trace_image({as_text(stem.name): result.trace}))
    return [image, text]


def _title(result: MatchResult) -> str:
    distance = "silent" if result.silent else f"MSS {result.mss_db:.1f} dB"
    return f"{shortened(result.preset.name, _TITLE_LETTERS)}, note {note_name(result.note)}, {distance}"


def _remove_closest(path: Path) -> None:
    """Removes the closest preset of an earlier match: it does not belong to this match. A changed preset is kept."""
    closest = closest_path(path)
    if closest.exists() and closest not in changed_presets(path):
        for file in (closest, _beside(closest, RENDER_END)):
            file.unlink(missing_ok=True)


def _remove_page(path: Path) -> None:
    """Removes the page of an earlier match: it does not belong to this match. Another file of this name is kept."""
    page = path.with_suffix(PAGE_END)
    if page.is_file() and is_page(page):
        page.unlink()


def _digests(path: Path) -> dict[Any, Any]:
    """Digests of the presets that a match wrote, from the image beside them; empty if there is no image."""
    from PIL import Image

    try:
        with Image.open(_beside(path, _IMAGE_END)) as image:
            return dict(image.info)
    except OSError:
        return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.stem + end)


def _found_json(found: MatchResult | FoundPreset, result: MatchResult) -> dict[str, Any]:
    return {
        "name": found.preset.name,
        "style": found.preset.style,
        "comments": found.preset.comments,
        "label": found.label,
        "kind": found.kind,
        "pitch": _pitch_json(found.plays),
        "pitch_error_cents": number(result.cents_off(found.plays)),
        "loss": number(found.loss),
        "metrics": {name: number(value) for name, value in found.metrics.items()},
        "recordings": [_comparison_json(one) for one in found.recordings],
        "routes": [
            {"source": r.source, "destination": r.destination, "amount": r.amount, "bipolar": r.bipolar}
            for r in found.preset.routes
            if r is not None
        ],
    }


def _comparison_json(one: Comparison) -> dict[str, Any]:
    return {
        "sound": as_text(one.name),
        "note": one.note,
        "note_name": note_name(one.note),
        "note_s": one.note_s,
        "loss": number(one.loss),
        "metrics": {name: number(value) for name, value in one.metrics.items()},
    }


def _prediction_json(result: MatchResult) -> dict[str, Any] | None:
    """The network's prediction. Its confidence is that of the predicted preset, which is rarely the written one."""
    if result.prediction is None or result.predicted is None:
        return None
    confidence = result.prediction.confidence
    return {
        "pitch_error_semitones": number(result.predicted.pitch_error_semitones),
        "tuned_semitones": result.predicted.tuned_semitones,
        "error": result.predicted.error,
        "routes": [route._asdict() for route in result.prediction.routes],
        "menu_probability": confidence.menu_probability if confidence else {},
        "spread_norm": confidence.spread_norm if confidence else {},
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "label": candidate.label,
        "kind": candidate.kind,
        "loss": number(candidate.loss),
        "mss_db": number(candidate.mss_db),
        "each_mss_db": [number(value) for value in candidate.each_mss_db],
        "pitch_error_semitones": number(candidate.pitch_error_semitones),
        "tuned_semitones": candidate.tuned_semitones,
        "error": candidate.error,
    }


def _pitch_json(pitch: Pitch) -> dict[str, float | None]:
    return {"hz": number(pitch.frequency_hz), "midi": number(pitch.midi), "confidence": pitch.confidence}
