"""Runs many matches on the page of `vjax web`, and reports the server's memory and disk after each few.

    python benchmarks/web_jobs.py --jobs 100 --minutes 60

Each job is a new visitor, as a browser is: it uploads a sound, waits until it is read, presses Match, waits for the end
and closes the page. The server runs without patches and resyntheses, with the shipped model or `--checkpoint`. `memory`
is the resident memory of the server's own process; `processes` counts it and its children; `disk` is its folder of
temporary files. A server whose jobs leave nothing behind has flat columns once the first ones have compiled their code
and `MOST_SESSIONS` visitors were there. `--json` writes all rows.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
SOUND = ROOT / "tests" / "data" / "sounds" / "bass.wav"
EVERY = 5  # jobs between two rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0, help="no job begins after this time")
    parser.add_argument("--checkpoint", default="shipped")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vjax-web-jobs-") as folder:
        command = [sys.executable, "-m", "vjax", "web", "--port", "0", "--checkpoint", arguments.checkpoint]
        command += ["--no-patch", "--no-resynthesis"]
        environment = os.environ | {"TMPDIR": folder, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            address = server.stdout.readline().removeprefix("vjax web: ").strip()
            rows = run(address, server.pid, Path(folder), arguments.jobs, 60 * arguments.minutes)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def run(address: str, pid: int, folder: Path, jobs: int, limit_s: float) -> list[dict[str, float]]:
    """Runs the jobs one after the other, and prints a row after every few."""
    rows, began_s = [], time.monotonic()
    print(f"{'jobs':>5} {'memory MB':>10} {'processes':>10} {'disk MB':>8} {'s a job':>8}")
    with httpx.Client(base_url=address, timeout=600) as client:
        config = client.get("/config").json()
        for job in range(1, jobs + 1):
            match_once(client, config)
            took_s = time.monotonic() - began_s
            ends = job == jobs or took_s > limit_s
            if job % EVERY == 0 or job == 1 or ends:
                rows.append(measured(pid, folder) | {"jobs": job, "seconds": took_s / job})
                row = rows[-1]
                print(
                    f"{job:5} {row['memory_mb']:10.0f} {row['processes']:10} {row['disk_mb']:8.1f} "
                    f"{row['seconds']:8.1f}",
                    flush=True,
                )
            if ends:
                return rows
    return rows


def match_once(client: httpx.Client, config: dict[str, Any]) -> None:
    """What a visitor does. Raises RuntimeError if the match does not end well."""
    visitor = secrets.token_hex(6)
    with client.stream("GET", f"/gradio_api/heartbeat/{visitor}"):  # the page is closed when this ends
        read = give_sound(client, config, visitor, SOUND)
        if "Ready" not in read:
            raise RuntimeError(f"the sound was not read: {read[:500]}")
        found = call(client, config, visitor, "match", "click", ["C2"])
        if "Done in" not in found:
            raise RuntimeError(f"the match did not end well: {found[-500:]}")


def give_sound(client: httpx.Client, config: dict[str, Any], visitor: str, sound: Path) -> str:
    """Uploads a sound file and waits until the page has read it. Returns what the page then shows, as JSON."""
    with sound.open("rb") as file:
        (path,) = client.post("/gradio_api/upload", files={"files": (sound.name, file)}).json()
    data = {"path": path, "orig_name": sound.name, "meta": {"_type": "gradio.FileData"}}
    return call(client, config, visitor, "sound", "change", [data])


def call(client: httpx.Client, config: dict[str, Any], visitor: str, part: str, event: str, data: list[Any]) -> str:
    """Triggers an event of a part of the page, and waits for its end. Returns its last messages, as JSON."""
    (id,) = (one["id"] for one in config["components"] if one["props"].get("elem_id") == part)
    number = next(one["id"] for one in config["dependencies"] if [id, event] in one["targets"])
    body = {"data": data, "fn_index": number, "session_hash": visitor, "trigger_id": id, "event_data": None}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    shown: list[Any] = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": visitor}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if message.get("msg") in ("process_generating", "process_completed"):
                shown = [*shown[-1:], message]  # the last one may have no output of its own
            if message.get("msg") == "process_completed":
                return json.dumps(shown)
    raise RuntimeError(f"{part}: the server ended the answer early")


def measured(pid: int, folder: Path) -> dict[str, float]:
    """The memory of a process, the number of processes with its children, and the size of a folder."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    disk = sum(path.stat().st_size for path in files)
    return {"memory_mb": memory_kb / 1024, "processes": len(family(pid)), "disk_mb": disk / 2**20}


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # not a process, or one that has ended
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


if __name__ == "__main__":
    main()
