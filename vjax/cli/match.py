"""`vjax match`: writes the Vital preset that makes a sound."""

import argparse
import dataclasses
import json
import math
from pathlib import Path

from vjax.cli.command import UsageError, command_parser, make_writable, run
from vjax.cli.match_flags import add_matching, read_checkpoint
from vjax.cli.refine import add_refining, refine_config, resynthesis_config, stop_on_ctrl_c
from vjax.file_names import as_text, stem_text
from vjax.shipped import checkpoint_name

_DISTANCES = {
    "init_db": "from the init patch to the sound",
    "floor_db": "from the found preset to itself, played again with other random phases",
}

EPILOG = """\
Writes the preset, its sound (x-vjax.wav) and a picture of both sounds (x-vjax.png). The sound may be WAV, FLAC, OGG,
MP3 or AIFF, of any rate, up to ten minutes; after its onset as much is heard as the model was trained on, mostly two
seconds. The note is taken from the sound, unless --note names it (C4 is 60), and the preset is transposed until it
plays in tune. Its key is let go after three quarters of what is heard, or held where the sound goes on as before.
Many presets are played: the network's answer, variants of it, the nearest sounds of the model's bank,
and "resynthesis", an oscillator that goes through a wavetable made of the sound itself. The wavetables of the six best
are fitted to the sound (--keep-tables leaves them alone), and the one that comes nearest is written, which is mostly
the resynthesis: it is nearest at other notes too, but its timbre is in a table and not in knobs. --no-resynthesis
writes the nearest preset of filters, envelopes and routes; --starts 0 the network's answer alone. Without --checkpoint
the model that comes with vjax is asked; one of your own comes from: vjax train

examples:
  vjax match bass.wav -o bass.vital
  vjax match bass.wav --no-resynthesis       # knobs to turn instead of a table of this sound
  vjax match bass.wav --checkpoint runs/tier3 --note 36
  vjax match bass.wav --no-resynthesis --refine --evals 500   # also evolve it against the real engine
  vjax match bass.wav --refine --bank ~/Documents/Vital --seconds 120
  vjax match bass.wav --json                 # everything as JSON: routes, probabilities, spreads
many sounds: see vjax export --help
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("match", "Writes the Vital preset that makes a sound.", EPILOG)
    parser.add_argument("sound", help="a sound file")
    parser.add_argument("-o", "--out", metavar="X.vital", help="the preset to write; by default beside the sound")
    add_matching(parser)
    parser.add_argument("--json", action="store_true", help="print everything found as one JSON object")
    parser.add_argument(
        "--refine", action="store_true", help="evolve the preset against the real engine: it sounds nearer"
    )
    add_refining(parser)
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _match(arguments))


def _match(arguments: argparse.Namespace) -> int:
    from vjax.audio.clip import read_clip
    from vjax.inference.export import checkpoint_vocabulary
    from vjax.inference.match import MatchConfig, Matcher, render_config
    from vjax.inference.outputs import write_match
    from vjax.inference.stream import RENDER_END, Failure
    from vjax.vital.pool import RenderPool

    config = MatchConfig(arguments.note, not arguments.no_tune)
    sound = Path(arguments.sound)
    out = Path(arguments.out) if arguments.out else sound.with_suffix(".vital")
    render = out.with_name(out.stem + RENDER_END)
    if out.suffix != ".vital" or out.is_dir():
        raise UsageError(f"--out {out} is {'a folder' if out.is_dir() else 'no name of a preset'}; give X.vital")
    if sound.is_dir():
        raise UsageError(f"{sound} is a folder; for many sounds: vjax export --audio {sound} --out presets")
    if not arguments.out and out.exists() and not render.exists():
        raise UsageError(f"{out} is there, and not from an earlier vjax match; name another, or this, by --out X.vital")
    if render.absolute() == sound.absolute():
        raise UsageError(f"--out {out} would put its render in the place of {sound}; give it another name")
    predictor = read_checkpoint(arguments, batch_size=1)
    clip = read_clip(sound, predictor.sample_rate, predictor.samples)
    make_writable(out)
    answer = predictor.predict_with_confidence(clip, name=str(sound))
    vocabulary = checkpoint_vocabulary(predictor)
    refined = None
    with RenderPool(render_config(predictor)) as pool:
        matcher = Matcher(predictor, vocabulary, pool, config)
        (match,) = matcher.matches([answer], lambda _: clip, lambda _: stem_text(out))
        if isinstance(match, Failure):
            raise ValueError(match.error)
        with stop_on_ctrl_c() as should_stop:
            if arguments.refine or not arguments.starts:  # a refinement may be killed: the prediction is there by then
                files = write_match(match, out, predictor.sample_rate)
            if arguments.refine or arguments.starts:
                refined, files = _refined(arguments, predictor, vocabulary, pool, match, out, should_stop)
                match = _as_refined(match, refined) if refined else match
        rows = matcher.rows(match)
    if arguments.json:
        print(json.dumps(_as_json(match, rows, files, predictor.step, refined), allow_nan=False))
    else:
        _print(match, rows, files, predictor, arguments.checkpoint, refined)
    return 130 if should_stop() else 0


def _refined(arguments: argparse.Namespace, predictor, vocabulary, pool, match, out: Path, should_stop):
    """(the best of a match's starts, refined if --refine asks for it; the files written for it).

    None where no start can be heard and --refine does not insist. The best so far is on disk at any time, as X.vital.
    """
    from vjax.inference.match import render_config
    from vjax.inference.outputs import write_match
    from vjax.inference.refine import refine
    from vjax.inference.refine_many import bank_finder, knob_errors
    from vjax.inference.refine_outputs import write_refined
    from vjax.inference.search import Progress
    from vjax.inference.starts import refine_target
    from vjax.progress import progress_bar
    from vjax.vital.preset import write_preset

    banks = bank_finder(predictor, arguments.checkpoint, vocabulary, arguments.bank, pool)
    made = resynthesis_config(arguments)
    target = refine_target(predictor, vocabulary, match, banks(match.note), arguments.starts, str(match.name), made)
    config, render = refine_config(arguments, places=1), render_config(predictor)
    if not arguments.refine:  # the starts are ranked, and that is all
        config = dataclasses.replace(config, evals=0)
    bar = progress_bar(total=config.evals, desc="refining", unit="eval", disable=not arguments.refine)

    def on_progress(progress: Progress) -> None:
        bar.set_postfix_str(
            f"loss {progress.first_loss:.3f} -> {progress.loss:.3f} from {progress.start}", refresh=False
        )
        bar.update(progress.evals - bar.n)
        if progress.better is not None:
            write_preset(out, dataclasses.replace(progress.better, name=stem_text(out)))

    with bar:
        (refined,) = refine([target], config, render, None, knob_errors(predictor), on_progress, should_stop)
    if refined.error and arguments.refine:
        raise ValueError(refined.error)
    if refined.error:
        return None, write_match(match, out, predictor.sample_rate)
    refined = dataclasses.replace(refined, preset=dataclasses.replace(refined.preset, name=stem_text(out)))
    if arguments.refine:
        return refined, write_refined(refined, target, out, predictor.sample_rate, with_target=False)
    return refined, write_match(_as_refined(match, refined), out, predictor.sample_rate)


def _as_refined(match, refined):
    return dataclasses.replace(
        match, preset=refined.preset, audio=refined.after.audio, mss_db=refined.after.distances["mss"]
    )


def _print(match, rows: dict[str, float], files: list[Path], predictor, checkpoint: str, refined) -> None:
    from vjax.inference.match import render_config
    from vjax.inference.starts import PREDICTION, VARIANT

    print(f"{as_text(match.name)}: played at note {match.note}, {_why_this_note(match.pitch)}")
    if match.note_s > render_config(predictor).note_s:
        print(f"  the key is held for all of its {match.note_s:.1f} s: nothing in the sound says that it was let go")
    if match.tuned_semitones and (refined is None or refined.start.startswith((PREDICTION, VARIANT))):
        print(f"  transposed by {match.tuned_semitones:+.2f} semitones to be in tune")
    print(f"  {match.answer.summary()} ({checkpoint_name(checkpoint)}, step {predictor.step})")
    for route in match.answer.routes[:5]:
        print(f"    {route.source} -> {route.destination} {route.amount:+.2f} (sure by {route.presence:.0%})")
    if len(match.answer.routes) > 5:
        print(f"    and {len(match.answer.routes) - 5} weaker ones")
    if math.isnan(match.mss_db):
        print(f"  the found preset is silent at note {match.note}: no distance. Try another --note, or train longer")
    else:
        if refined:
            _print_refined(refined)
        print(f"  MSS {match.mss_db:6.2f} dB from the found preset to the sound; to compare")
        for name, meaning in _DISTANCES.items():
            print(f"      {rows[name]:6.2f} dB {meaning}")
    print("  written: " + ", ".join(map(as_text, files)))


def _print_refined(refined) -> None:
    searched = len(refined.trace) > 1
    if searched:
        took = f"{refined.evals} evaluations in {refined.seconds:.0f} s, {refined.dimensions} knobs and amounts"
        print(f"  refined from {refined.start!r}: {took}")
    else:
        print(f"  the nearest of {len(refined.start_losses)} starts is {refined.start!r}{_what_next(refined.start)}")
    _print_knobs(refined)
    before, after = ("before", "after") if searched else ("network", "nearest")
    print(f"      {'':20} {before:>8} {after:>8}")
    print(f"      {'loss (minimised)':20} {refined.before.loss:8.3f} {refined.after.loss:8.3f}")
    for metric, distance in refined.before.distances.items():
        print(f"      {metric:20} {distance:8.3f} {refined.after.distances[metric]:8.3f}")


def _what_next(start: str) -> str:
    """A search seldom finds anything nearer than a table of the very sound."""
    from vjax.inference.resynthesis import RESYNTHESIS

    return "" if start.startswith(RESYNTHESIS) else "; --refine goes on from there"


def _print_knobs(refined) -> None:
    """What the flag would write, for those who want knobs rather than a table."""
    from vjax.inference.resynthesis import RESYNTHESIS

    losses = {label: loss for label, loss in refined.start_losses.items() if not label.startswith(RESYNTHESIS)}
    if losses and refined.start.startswith(RESYNTHESIS):
        label = min(losses, key=losses.get)
        least = min(refined.start_losses.values())
        print(f"  --no-resynthesis takes {label!r}: loss {losses[label]:.3f}, not {least:.3f}")


def _why_this_note(pitch) -> str:
    from vjax.inference.match import SURE

    if pitch is None:
        return "as --note says"
    if pitch.note is None:
        return "because no pitch is heard"
    heard = f"{pitch.name} ({pitch.frequency_hz:.1f} Hz) with confidence {pitch.confidence:.2f}"
    return f"heard {heard}" if pitch.confidence >= SURE else f"because no clear pitch is heard, perhaps {heard}"


def _as_json(match, rows: dict[str, float], files: list[Path], step: int, refined) -> dict:
    from vjax.inference.refine_outputs import trace_json
    from vjax.inference.starts import PREDICTION

    told = trace_json(refined) if refined else {"starts": {}, "trace": []}
    sure, pitch = match.answer.confidence, match.pitch
    heard = pitch and {"hz": _number(pitch.frequency_hz), "midi": _number(pitch.midi), "confidence": pitch.confidence}
    return {
        "sound": as_text(match.name),
        "files": [as_text(path) for path in files],
        "step": step,
        "note": match.note,
        "note_s": match.note_s,
        "pitch": heard,
        "tuned_semitones": match.tuned_semitones,
        "mss_db": _number(match.mss_db),
        **{name: _number(distance) for name, distance in rows.items()},
        "routes": [route._asdict() for route in match.answer.routes],
        "menu_probability": sure.menu_probability,
        "spread_norm": sure.spread_norm,
        "start": refined.start if refined else PREDICTION,
        "starts": told["starts"],
        "refined": told if told["trace"][1:] else None,
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
