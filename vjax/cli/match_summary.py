"""What `vjax match` prints about one result."""

import math
from pathlib import Path

from vjax.io.file_names import as_text

_SHOWN = 5  # number of other candidates that are printed


def print_result(result, files: list[Path], model: str) -> None:
    from vjax.audio.pitch import note_name

    print(f"{as_text(result.name)}: note {result.note} ({note_name(result.note)}), {_why_this_note(result)}")
    if result.silent:
        print(f"  the written preset is silent at note {result.note}: {result.label}")
    else:
        best = "the closest" if result.closest is None else f"preferred, {result.kind}"
        print(f"  of {len(result.candidates)} candidates, {best}: {as_text(result.label)}")
        _print_distances(result)
    summary = result.prediction.summary()
    print(f"  the network's prediction ({model}): {summary}")
    if result.predicted.tuned_semitones:
        print(f"    the prediction was transposed by {result.predicted.tuned_semitones:+.2f} semitones to be in tune")
    print("  written: " + ", ".join(map(as_text, files)))


def _print_distances(result) -> None:
    from vjax.audio.metric_names import METRICS
    from vjax.audio.pitch import note_name
    from vjax.candidates.predicted import PREDICTION

    if result.trace[1:]:
        first, last = result.trace[0][1], result.trace[-1][1]
        print(f"  searched with {result.evals} renders in {result.seconds:.0f} s: loss {first:.3f} -> {last:.3f}")
    print(f"  {result.mss_db:6.2f} dB MSS from the written preset to the sound; {_plays(result)}")
    others = ", ".join(f"{name} {result.metrics[name]:.3f}" for name in METRICS if name != "mss")
    print(f"            {others}")
    if math.isfinite(result.re_render_db):
        print(f"  {result.re_render_db:6.2f} dB between two renders of it, with other random phases")
    for one in result.recordings[1:]:
        print(f"  {one.mss_db:6.2f} dB MSS to {as_text(one.name)}, note {one.note} ({note_name(one.note)})")
    if result.closest:
        label = as_text(result.closest.label)
        print(f"  {result.closest.mss_db:6.2f} dB MSS from the closest, written beside it, to the sound: {label}")
    means = ", means over all recordings" if result.recordings else ""
    print(f"  other candidates, in the order of the loss that ranks them{means}:")
    written = {result.label, result.closest.label} if result.closest else {result.label}
    rest = [one for one in result.candidates if one.label not in written and not one.error]
    for i, one in enumerate(rest):
        if i < _SHOWN or one.label.startswith(PREDICTION):
            note = f" (plays {one.pitch_error_semitones:+.1f} semitones off)" if one.wrong_note else ""
            note += " (of the first recording alone)" if result.recordings and not one.each_mss_db else ""
            print(f"  {one.mss_db:6.2f} dB {as_text(one.label)}{note}")
    for one in result.candidates:
        if one.error:
            print(f"         failed: {as_text(one.label)}: {one.error}")


def _plays(result) -> str:
    """The pitch that the written preset plays, compared with the pitch of the sound."""
    if math.isnan(result.pitch_error_cents):
        return "no clear pitch to compare"
    cents = round(result.pitch_error_cents)
    return f"it plays {result.plays.name}" + (
        f", {cents:+d} cents off the sound" if cents else ", in tune with the sound"
    )


def _why_this_note(result) -> str:
    pitch = result.pitch
    length = f"note length {result.note_s:.1f} s"
    if result.note_given:
        return f"given by --note, {length}"
    if pitch.note is None:
        return f"because the sound has no pitch, {length}"
    found = f"{pitch.name} ({pitch.frequency_hz:.1f} Hz), confidence {pitch.confidence:.2f}"
    why = f"estimated from {found}" if pitch.clear else f"the default, since the pitch is unclear ({found})"
    return f"{why}, {length}"
