"""`vjax match`: writes the Vital preset of a sound, or of each of many."""

import argparse
import json
import math
import os
import signal
import sys
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, run
from vjax.cli.match_flags import add_matching, add_naming, match_config, named, read_checkpoint
from vjax.cli.match_progress import progress_line
from vjax.cli.match_summary import print_result
from vjax.cli.refine_flags import add_refining
from vjax.cli.scheduler_flag import SCHEDULER_HELP, add_scheduler_flag
from vjax.io.file_names import as_text
from vjax.io.folder_lock import locked
from vjax.io.signals import stop_later
from vjax.shipped import checkpoint_name

EPILOG = f"""\
Reads WAV, FLAC, OGG, MP3 or AIFF files of any sample rate, up to ten minutes long. vjax analyses the sound from its
onset on, for as long as the model was trained on (two seconds). It estimates the note, or uses --note.

The real engine renders many candidates:
  patch         an editable preset that is fitted to the sound: tables of a few cycles, a filter whose cutoff moves,
                envelopes, and those LFOs and effects that bring it nearer
  prediction    the preset that the network predicts, and variants of it or others that it draws
  neighbours    the nearest sounds of the model's bank, and of --bank
  resynthesis   an oscillator swept through a wavetable made of the sound: mostly the nearest, but it has no filter
Each candidate is tuned to the sound and set to its level. The wavetables of the best six resyntheses, and of the best
six presets of network and bank, are equalised to its spectrum.

The patch is written. Its comment describes what was found, in Hz, ms and dB. Soft notes are softer and darker. Its
macros have names (Brightness, Movement, Release, Space, as many as there is room for) and change nothing at 0. If the
patch is silent, plays a wrong note, or is more than 1 dB MSS farther from the sound than the best preset of the network
and the bank, then that preset is written, and a warning gives the reason. --prefer knobs always writes that preset, and
--prefer closest the nearest candidate of all.

For X.wav, vjax writes the preset X.vital, its render X-vjax.wav, an image X-vjax.png of the sounds, and a page X.html.
If another candidate is nearer, it also writes X (closest).vital and X (closest)-vjax.wav. All files go to the current
folder, or beside the preset that --out names. A preset that someone has changed is not overwritten.

X.html opens in any browser, without a network. It plays the sound, the written preset, the closest candidate, the best
neighbour and the prediction at the same moment, describes them, and contains their presets to download. Many sounds get
pages with --page.

A folder or several sounds give a folder of presets with an index (index.csv, index.json). Sounds whose preset exists
are skipped, so the same command continues a run that was stopped.

Several recordings of one instrument give one preset for all of them: give a note for each with --note, or add
--together. Patches are fitted to the first recording, and the others decide how their filters follow the keyboard.
Candidates are ranked by the first recording. Then the best of each kind are ranked again by their mean loss over all.

{SCHEDULER_HELP}
examples:
  vjax match bass.wav                        # writes bass.vital
  vjax match bass.wav --note C2 -o lead.vital
  vjax match bass.wav --prefer closest       # writes the closest candidate instead of the patch
  vjax match bass.wav --install              # also copies it to Vital's own folder, where Vital lists it
  vjax match bass.wav --no-patch             # candidates of the network and the bank, and a resynthesis
  vjax match bass.wav --no-resynthesis       # no wavetable made of the sound
  cat bass.wav | vjax match - -o bass.vital  # a sound from another program
  vjax match recordings -o presets           # a folder of sounds; continues where it was stopped
  vjax match low.wav high.wav --note C2,C4 -o bass.vital        # one preset for two recordings of an instrument
  vjax match low.wav high.wav --together     # the same with estimated notes: writes low.vital
  vjax match low.wav high.wav -o presets     # a preset for each
  vjax match bass.wav --refine --evals 500   # then searches for a nearer preset
  vjax match bass.wav --bank ~/.local/share/vital --checkpoint runs/tier3
  vjax match bass.wav --json                 # prints everything as one JSON object
exit codes: 0 done; 1 a sound failed, or its preset is silent; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM
"""

KEPT = "presets that were written are complete, and the same command continues with the other sounds"

_SEARCH = ("evals", "seconds", "strategy", "seed", "lock")  # flags that only a search uses


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("match", "Writes the Vital preset of a sound.", EPILOG)
    parser.add_argument(
        "sounds", nargs="+", metavar="SOUND", help="a sound file, several, or a folder of them; - is stdin"
    )
    parser.add_argument(
        "-o", "--out", metavar="X.vital", help="the preset to write, or for many sounds the folder (default: presets)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace presets that exist")
    parser.add_argument(
        "--install",
        nargs="?",
        const="",
        metavar="DIR",
        help="also copy the presets to Vital's own folder, or to DIR, so that Vital lists them",
    )
    add_naming(parser)
    add_matching(parser, several=True)
    parser.add_argument(
        "--together",
        action="store_true",
        help="the sounds are recordings of one instrument at several notes: write one preset for all of them",
    )
    parser.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        help="write the page X.html (default: for one sound, but not for each of many)",
    )
    parser.add_argument("--json", action="store_true", help="print everything found as one JSON object")
    parser.add_argument(
        "--limit", type=at_least(0), default=0, metavar="N", help="at most N of many sounds (default 0: all of them)"
    )
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="number of render processes (0 = all cores)"
    )
    add_scheduler_flag(parser)
    parser.add_argument(
        "--refine", action="store_true", help="search for a nearer preset, starting from the preferred candidate"
    )
    add_refining(parser)
    arguments = parser.parse_args(argv)
    unused = [f"--{name}" for name in _SEARCH if getattr(arguments, name) != parser.get_default(name)]
    return run(parser.prog, lambda: _match(arguments, [] if arguments.refine else unused), KEPT)


def _match(arguments: argparse.Namespace, unused: list[str]) -> int:
    """Matches the sounds. `unused` are the flags of a search that is not requested."""
    if unused:
        raise UsageError(f"{', '.join(unused)} has no effect without a search; add --refine, or leave it out")
    arguments.sounds = ["/dev/stdin" if sound == "-" else sound for sound in arguments.sounds]
    sounds, notes = [Path(sound) for sound in arguments.sounds], arguments.note
    several = isinstance(notes, tuple)
    if several and len(notes) != len(sounds):
        raise UsageError(
            f"--note names {len(notes)} notes, and the number of sounds is {len(sounds)}; "
            "give one note for each sound, in their order, or one for all"
        )
    folders = [sound for sound in sounds if sound.is_dir()]
    if not (arguments.together or several):
        return _many(arguments) if len(sounds) > 1 or folders else _one(arguments)
    if folders:
        raise UsageError(f"{folders[0]} is a folder; give the recordings of one instrument as sound files")
    if len(sounds) == 1:
        raise UsageError(
            "--together is for several recordings of one instrument, and there is 1 sound; "
            "give the others too, or leave --together out"
        )
    if arguments.refine:
        raise UsageError("--refine searches for one recording; leave it out, or give one sound without --together")
    return _one(arguments)


def _one(arguments: argparse.Namespace) -> int:
    """Writes one preset, for one sound or for several recordings of one instrument."""
    from vjax.audio.clip import load_clip
    from vjax.engine.scheduler import open_render_pool, scheduler_session
    from vjax.inference.predict import render_config
    from vjax.matching.banks import open_banks
    from vjax.matching.match import match
    from vjax.matching.outputs import check_writable
    from vjax.vital.user_folder import install

    sounds = [Path(sound) for sound in arguments.sounds]
    out = Path(arguments.out) if arguments.out else Path(sounds[0].with_suffix(".vital").name)
    for sound in sounds:
        _check_out(out, sound)
    page = arguments.page is not False
    check_writable(out, arguments.overwrite, page)
    folder = _install_folder(arguments)
    config = match_config(arguments)
    predictor = read_checkpoint(arguments, batch_size=1)
    clip, *others = (load_clip(sound, predictor.sample_rate, predictor.samples) for sound in sounds)
    notes = arguments.note if isinstance(arguments.note, tuple) else [arguments.note] * len(sounds)
    others = list(zip(others, notes[1:], strict=True))
    with (
        scheduler_session(arguments.scheduler),
        open_render_pool(render_config(predictor), arguments.workers or None, arguments.scheduler) as pool,
        progress_line() as (show, stage),
        # Before a search begins, there is no result to keep.
        stop_later(lambda: stage() == "searching") as should_stop,
    ):
        banks = open_banks(predictor, arguments.checkpoint, arguments.bank, pool)
        result = match(
            clip,
            predictor,
            pool,
            config,
            banks,
            others=others,
            on_progress=show,
            should_stop=lambda: bool(should_stop()),
        )
    result = named(result, arguments)
    files = result.save(out, arguments.overwrite, page)
    installed = [install(file, folder) for file in files if folder and file.suffix == ".vital"]
    if arguments.json:
        written = {"files": [as_text(path) for path in [*files, *installed]], "step": predictor.step}
        print(json.dumps(written | result.as_json(), allow_nan=False))
    else:
        print_result(result, files, f"{checkpoint_name(arguments.checkpoint)}, step {predictor.step}")
        for path in installed:
            print(f"  installed: {as_text(path)}")
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if should_stop():
        return 128 + should_stop()
    return 1 if result.silent else 0


def _install_folder(arguments: argparse.Namespace) -> Path | None:
    """Where presets are installed, found before the match; None if they are not."""
    from vjax.vital.user_folder import user_folder

    if arguments.install is None:
        return None
    try:
        return user_folder(arguments.install)
    except FileNotFoundError as error:
        raise UsageError(f"--install: {error}") from error


def _check_out(out: Path, sound: Path) -> None:
    from vjax.inference.predict_many import RENDER_END
    from vjax.matching.outputs import closest_path

    if out.suffix != ".vital" or os.path.isdir(out):
        what = "a folder" if os.path.isdir(out) else "not the name of a preset"
        raise UsageError(f"--out {out} is {what}; give X.vital")
    renders = (preset.with_name(preset.stem + RENDER_END) for preset in (out, closest_path(out)))
    if sound.absolute() in (render.absolute() for render in renders):
        raise UsageError(f"--out {out} would overwrite {sound} with its render; give another name")


def _many(arguments: argparse.Namespace) -> int:
    out = Path(arguments.out or "presets")
    if out.suffix == ".vital" or (out.exists() and not out.is_dir()):
        raise UsageError(f"--out {out} is not a folder; give a folder for the presets of many sounds")
    if arguments.install is not None:
        raise UsageError("--install is for one preset; copy the presets of many sounds yourself")
    if arguments.name or arguments.style:
        raise UsageError("--name and --style are for one preset; leave them out, or give one sound")
    with locked(out):
        return _match_many(arguments, out)


def _match_many(arguments: argparse.Namespace, out: Path) -> int:
    from vjax.engine.scheduler import open_render_pool, scheduler_session
    from vjax.inference.predict import render_config
    from vjax.matching.banks import open_banks
    from vjax.matching.batch import match_many
    from vjax.matching.work import file_work

    config = match_config(arguments)
    predictor = read_checkpoint(arguments, batch_size=8)
    work = file_work(predictor, arguments.sounds, out, arguments.limit, arguments.overwrite)
    if work.limited:
        print(work.limited, file=sys.stderr)
    with (
        scheduler_session(arguments.scheduler),
        open_render_pool(render_config(predictor), arguments.workers or None, arguments.scheduler) as pool,
        stop_later(by=(signal.SIGINT,)) as should_stop,
    ):
        banks = open_banks(predictor, arguments.checkpoint, arguments.bank, pool)
        report = match_many(
            work,
            out,
            predictor,
            pool,
            config,
            banks,
            scheduler=arguments.scheduler,
            should_stop=lambda: bool(should_stop()),
            page=bool(arguments.page),
        )
    print_report(report, out)
    if should_stop():
        print("stopped; the same command continues from here", file=sys.stderr)
        return 130
    return 1 if report.failures or any(math.isnan(one.mss_db) for one in report.written) else 0


def print_report(report, out: Path) -> None:
    """Prints a line for each written preset, then counts, the median MSS, and the paths of the index."""
    for one in report.written:
        print(f"{one.mss_db:7.2f} dB  {as_text(Path(one.name).name)}: {as_text(one.label)}")
        if one.closest:
            print(f"{one.closest_mss_db:7.2f} dB    {as_text(one.closest.name)}: {as_text(one.closest_label)}")
    print(f"{out}: presets written: {len(report.written)}, existing: {report.existing}, failed: {len(report.failures)}")
    if math.isfinite(report.median_mss_db):
        print(f"  median MSS {report.median_mss_db:.2f} dB")
    silent = sum(math.isnan(one.mss_db) for one in report.written)
    if silent:
        print(f"  without a distance, because silent: {silent}")
    if (out / "index.csv").exists():
        print(f"  index: {out / 'index.csv'}, {out / 'index.json'}")
