"""`vjax match`: writes the Vital preset that makes a sound."""

import argparse
import json
import math
from pathlib import Path

from vjax.cli.command import UsageError, command_parser, run

CHECKPOINT = "runs/demo"
"""Where `make demo` leaves its model."""

_DISTANCES = {
    "init_db": "from the init patch to the sound",
    "floor_db": "from the found preset to itself, played again with other random phases",
}

EPILOG = """\
Writes the preset, its sound (x-vjax.wav) and a picture of both sounds (x-vjax.png). The sound may be WAV, FLAC, OGG,
MP3 or AIFF, of any rate and length; after its onset as much is heard as the model was trained on, two seconds in most
recipes. The note is taken from the sound, unless --note names it (C4 is 60), and the preset is transposed until it
plays in tune. A model to use comes from: vjax train --config tier3:demo --workdir runs/demo

examples:
  vjax match bass.wav -o bass.vital
  vjax match bass.wav --checkpoint runs/tier3 --note 36
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
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _match(arguments))


def add_matching(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `match` and `export` share."""
    parser.add_argument(
        "--checkpoint", default=CHECKPOINT, metavar="DIR", help="a training run's folder (default %(default)s)"
    )
    parser.add_argument("--which", choices=("best", "latest"), default="best", help="which checkpoint (default best)")
    parser.add_argument(
        "--note",
        type=midi_note,
        help="MIDI note of the sound, 0 to 127; by default the one that is heard",
    )
    parser.add_argument("--no-tune", action="store_true", help="leave the preset's pitch as the model heard it")


def midi_note(text: str) -> int:
    """An argparse `type`: a MIDI note number."""
    if not (text.isdecimal() and int(text) <= 127):
        raise argparse.ArgumentTypeError(f"{text!r} is no MIDI note; give a number from 0 to 127, C4 is 60")
    return int(text)


def read_checkpoint(arguments: argparse.Namespace, batch_size: int):
    """The predictor that `add_matching`'s flags name. Raises CheckpointError, naming the flag."""
    from vjax.inference.predict import Predictor
    from vjax.training.checkpoint import CheckpointError

    try:
        return Predictor.from_checkpoint(arguments.checkpoint, arguments.which, batch_size)
    except CheckpointError as error:
        raise CheckpointError(f"--checkpoint {arguments.checkpoint}: {error}") from error


def _match(arguments: argparse.Namespace) -> int:
    from vjax.audio.clip import read_clip
    from vjax.inference.export import checkpoint_vocabulary
    from vjax.inference.match import MatchConfig, Matcher, render_config
    from vjax.inference.outputs import write_match
    from vjax.inference.stream import Failure
    from vjax.vital.pool import RenderPool

    config = MatchConfig(arguments.note, not arguments.no_tune)
    sound = Path(arguments.sound)
    out = Path(arguments.out) if arguments.out else sound.with_suffix(".vital")
    if out.suffix != ".vital" or out.is_dir():
        raise UsageError(f"--out {out} is {'a folder' if out.is_dir() else 'no name of a preset'}; give X.vital")
    if sound.is_dir():
        raise UsageError(f"{sound} is a folder; for many sounds: vjax export --audio {sound} --out presets")
    predictor = read_checkpoint(arguments, batch_size=1)
    clip = read_clip(sound, predictor.sample_rate, predictor.samples)
    out.parent.mkdir(parents=True, exist_ok=True)  # now, and not after all the work
    answer = predictor.predict_with_confidence(clip, name=str(sound))
    with RenderPool(render_config(predictor)) as pool:
        matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, config)
        (match,) = matcher.matches([answer], lambda _: clip, lambda _: out.stem)
        if isinstance(match, Failure):
            raise ValueError(match.error)
        rows = matcher.rows(match)
    files = write_match(match, out, predictor.sample_rate)
    if arguments.json:
        print(json.dumps(_as_json(match, rows, files, predictor.step), allow_nan=False))
    else:
        _print(match, rows, files, predictor.step, arguments.checkpoint)
    return 0


def _print(match, rows: dict[str, float], files: list[Path], step: int, checkpoint: str) -> None:
    print(f"{match.name}: played at note {match.note}, {_why_this_note(match.pitch)}")
    if match.tuned_semitones:
        print(f"  transposed by {match.tuned_semitones:+.2f} semitones to be in tune")
    print(f"  {match.answer.summary()} ({checkpoint}, step {step})")
    for route in match.answer.routes[:5]:
        print(f"    {route.source} -> {route.destination} {route.amount:+.2f} (sure by {route.presence:.0%})")
    if len(match.answer.routes) > 5:
        print(f"    and {len(match.answer.routes) - 5} weaker ones")
    if math.isnan(match.mss_db):
        print(f"  the found preset is silent at note {match.note}: no distance. Try another --note, or train longer")
    else:
        print(f"  MSS {match.mss_db:6.2f} dB from the found preset to the sound; to compare")
        for name, meaning in _DISTANCES.items():
            print(f"      {rows[name]:6.2f} dB {meaning}")
    print("  written: " + ", ".join(map(str, files)))


def _why_this_note(pitch) -> str:
    from vjax.inference.match import SURE

    if pitch is None:
        return "as --note says"
    if pitch.note is None:
        return "because no pitch is heard"
    heard = f"{pitch.name} ({pitch.frequency_hz:.1f} Hz) with confidence {pitch.confidence:.2f}"
    return f"heard {heard}" if pitch.confidence >= SURE else f"because no clear pitch is heard, perhaps {heard}"


def _as_json(match, rows: dict[str, float], files: list[Path], step: int) -> dict:
    sure, pitch = match.answer.confidence, match.pitch
    heard = pitch and {"hz": _number(pitch.frequency_hz), "midi": _number(pitch.midi), "confidence": pitch.confidence}
    return {
        "sound": match.name,
        "files": [str(path) for path in files],
        "step": step,
        "note": match.note,
        "pitch": heard,
        "tuned_semitones": match.tuned_semitones,
        "mss_db": _number(match.mss_db),
        **{name: _number(distance) for name, distance in rows.items()},
        "routes": [route._asdict() for route in match.answer.routes],
        "menu_probability": sure.menu_probability,
        "spread_norm": sure.spread_norm,
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
