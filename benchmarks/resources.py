"""Runs match, generate and train where something is scarce or slow, and compares the results with usual runs.

    python benchmarks/resources.py --out runs/resources                    # all cases, about half an hour
    python benchmarks/resources.py --out runs/resources --only "slow disk" "full disk, 200 kB"

Each case runs a command in a new folder. If the command fails, it runs there again without the limit. Then the presets,
shards or weights must be those of an undisturbed run. The script prints a table: the exit code and the last line of the
limited run, whether there was a traceback, unfinished files (`*.partial*`), and the comparison. It needs Linux, a C
compiler for the cases *slow disk* and *clock*, and permission to make namespaces for full disks and *no network*.
"""

import argparse
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from kill import same_checkpoint

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "match": (
        *("match", str(ROOT / "tests" / "data" / "sounds" / "bass.wav")),
        *("--variants", "0", "--no-patch", "--no-resynthesis", "-o", "{out}/bass.vital"),
    ),
    "generate": (
        *("generate", "--config", "tier3:smoke", "--n", "48", "--workers", "2", "--out", "{out}/data"),
        *("--config.generation.render.seconds=0.2", "--config.generation.render.note_s=0.15"),
        *("--config.generation.presets_per_shard=8", "--config.generation.silence_db=-200"),
    ),
    "train": (
        *("train", "--config", "tier3:smoke", "--config.data.path={usual}/generate/data", "--workdir", "{out}/run"),
        *("--config.train.epochs=3", "--config.train.batch_size=8", "--config.train.checkpoint_every=2"),
        *("--config.train.listen_every=0", "--config.train.listen_sounds=0", "--config.model.width=8"),
    ),
}

# A library that is loaded before the others. On the slow disk, a write of a file takes 0.1 s more, a read 10 ms, a
# rename 0.3 s and a sync 0.5 s. The clock of the day steps back by an hour every five seconds.
SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static void pause_ms(long ms) { struct timespec t = {ms / 1000, ms % 1000 * 1000000L}; nanosleep(&t, 0); }
static int is_file(int fd) { struct stat s; return fstat(fd, &s) == 0 && S_ISREG(s.st_mode); }
#define SLOWER(result, name, ms, when, types, names) result name types { static result (*usual) types; \\
    if (!usual) usual = dlsym(RTLD_NEXT, #name); if (when) pause_ms(ms); return usual names; }
SLOWER(ssize_t, write, 100, is_file(fd), (int fd, const void *b, size_t n), (fd, b, n))
SLOWER(ssize_t, pwrite, 100, is_file(fd), (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
SLOWER(ssize_t, pwrite64, 100, is_file(fd), (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
SLOWER(ssize_t, pread, 10, is_file(fd), (int fd, void *b, size_t n, off_t o), (fd, b, n, o))
SLOWER(ssize_t, pread64, 10, is_file(fd), (int fd, void *b, size_t n, off_t o), (fd, b, n, o))
SLOWER(int, fsync, 500, 1, (int fd), (fd))
SLOWER(int, fdatasync, 500, 1, (int fd), (fd))
SLOWER(int, rename, 300, 1, (const char *a, const char *b), (a, b))
"""
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static int (*usual)(clockid_t, struct timespec *);
static time_t first_s;
int clock_gettime(clockid_t id, struct timespec *t) {
    struct timespec run;
    if (!usual) { usual = dlsym(RTLD_NEXT, "clock_gettime"); usual(CLOCK_MONOTONIC, &run); first_s = run.tv_sec; }
    int result = usual(id, t);
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return result;
    usual(CLOCK_MONOTONIC, &run);
    t->tv_sec -= (run.tv_sec - first_s) / 5 * 3600;
    return result;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """`shell` is Bash that runs the command `"$@"`; `{out}` is its folder. `library`: source to load before others."""

    shell: str = 'exec "$@"'
    library: str = ""
    without: tuple[str, ...] = ()


def _full(size: str) -> Case:
    """The folder is a small file system of its own. What the command left there is copied to the disk."""
    mount = f"mount -t tmpfs -o size={size} none {{out}}"
    return Case(f'{mount}; "$@"; code=$?; cp -a {{out}}/. {{out}}.copy/; exit $code')


CASES = {
    "one core": Case('exec taskset -c 0 "$@"'),
    "64 open files": Case('ulimit -n 64; exec "$@"'),
    "20 open files": Case('ulimit -n 20; exec "$@"'),
    "no network": Case('exec unshare -rn "$@"'),
    "no HOME": Case(without=("HOME",)),
    "4 GB of address space": Case('ulimit -v 4000000; exec "$@"'),
    "2 GB of address space": Case('ulimit -v 2000000; exec "$@"'),
    "1 GB of address space": Case('ulimit -v 1000000; exec "$@"'),
    "full disk, 8 kB": _full("8k"),
    "full disk, 200 kB": _full("200k"),
    "full disk, 1 MB": _full("1m"),
    "full disk, 4 MB": _full("4m"),
    "files of at most 100 kB": Case('ulimit -f 100; exec "$@"'),
    "slow disk": Case(library=SLOW),
    "slow disk, SIGKILL after 25 s": Case('exec timeout -s KILL 25 "$@"', library=SLOW),
    "clock that steps back": Case(library=CLOCK),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CASES, default=tuple(CASES))
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=tuple(COMMANDS))
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    usual = out / "usual"
    for name in COMMANDS:
        if not (usual / f"{name}.log").exists():
            shutil.rmtree(usual / name, ignore_errors=True)
            (usual / name).mkdir(parents=True)
            code, _, error = _run(name, usual / name, usual, Case())
            if code:
                raise SystemExit(f"the usual run of {name} failed with exit code {code}: {error[-2000:]}")
            (usual / f"{name}.log").write_text(error)
    print("| what was scarce | command | exit code | seconds | last line | traceback | unfinished files | then |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for case in arguments.only:
        for name in arguments.commands:
            row = _row(case, name, out / "case", usual)
            with (out / "rows.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


def _row(case: str, name: str, folder: Path, usual: Path) -> dict:
    for one in (folder, Path(f"{folder}.copy")):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir()
    code, seconds, error = _run(name, folder, usual, CASES[case])
    copy = Path(f"{folder}.copy")
    if any(copy.iterdir()):
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
    unfinished = sum(".partial" in path.name for path in folder.rglob("*"))
    again = ""
    if code:
        second, _, why = _run(name, folder, usual, Case())
        again = "started again: " if second == 0 else f"started again, exit code {second} ({why[-200:]}): "
    different = _differences(name, folder, usual / name)
    lines = [line for line in error.splitlines() if line.strip()]
    return {
        "case": case,
        "command": name,
        "code": code,
        "seconds": round(seconds),
        "line": lines[-1][-160:].replace("|", "/").replace(str(folder), "OUT") if lines and code else "",
        "traceback": "yes" if "Traceback" in error else "no",
        "unfinished": unfinished,
        "then": again + (f"differs: {', '.join(different[:3])}" if different else "as usual"),
    }


def _differences(name: str, found: Path, expected: Path) -> list[str]:
    """The presets or shards that are missing or have other bytes; whether the weights differ."""
    if name == "train":
        return list(same_checkpoint(found / "run", expected / "run"))
    names = [path.relative_to(expected) for path in expected.rglob("*.vital" if name == "match" else "*.h5")]
    assert names, f"{name} wrote nothing to {expected}"
    return [str(one) for one in names if not ((found / one).exists() and same(found / one, expected / one))]


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _run(name: str, folder: Path, usual: Path, case: Case) -> tuple[int, float, str]:
    """Returns (exit code, seconds, what was written to standard error)."""
    argv = [part.replace("{out}", str(folder)).replace("{usual}", str(usual)) for part in COMMANDS[name]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    for variable in case.without:
        environment.pop(variable, None)
    program = [sys.executable, "-m", "vjax", *argv]
    if case.library:
        program = ["env", f"LD_PRELOAD={_compiled(case.library, folder.parent)}", *program]
    shell = case.shell.replace("{out}", shlex.quote(str(folder)))
    command = ["bash", "-c", shell, "bash", *program]
    if "mount " in shell:
        command = ["unshare", "-rm", *command]
    began = time.monotonic()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    return done.returncode, time.monotonic() - began, done.stderr.decode(errors="replace")


def _compiled(source: str, folder: Path) -> Path:
    library = folder / f"library-{len(source)}.so"
    if not library.exists():
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"],
            input=source,
            text=True,
            check=True,
        )
    return library


if __name__ == "__main__":
    main()
