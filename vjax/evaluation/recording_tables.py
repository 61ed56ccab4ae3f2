"""The tables about an evaluation's recordings, as texts: those that are printed and those of the report."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vjax.evaluation.recordings import FAR_DB, INTERVAL_NEEDS

MOST_PRINTED = 12
"""The most failures that are printed; the report and evaluation.json have all."""


class Table(NamedTuple):
    """A table of texts.

    Attributes:
      title: for people.
      head: the titles of the columns.
      rows: the cells of each row, as many as `head` has.
      numbers: how many columns, from the second on, have numbers.
      note: explains the columns.
    """

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: int
    note: str


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """The tables of a summary of `recordings.summarise`; none if it is empty. Tables without a row are left out."""
    if not summary:
        return []
    found = [
        _scores(summary["classes"], "mss", "Recordings by class: MSS dB", 2),
        _scores(summary["classes"], "rse", "Recordings by class: RSE", 3),
        _pitches(summary["classes"]),
        _causes(summary["causes"], summary["judged"]),
        _failures(summary["failures"], summary["judged"]),
    ]
    return [table for table in found if table.rows]


def text(found: Sequence[Table]) -> str:
    """The tables as they are printed; of the last one only the first MOST_PRINTED rows."""
    return "\n\n".join(_text(table) for table in found)


def _scores(classes: Sequence[Mapping[str, Any]], metric: str, title: str, digits: int) -> Table:
    measured = classes[-1]["methods"]
    methods = [method for method in measured if any(found[metric]["n"] for found in measured.values())]
    rows = [
        (one["class"], str(one["n"]), *(_score(one["methods"].get(method), metric, digits) for method in methods))
        for one in classes
        if methods  # an older evaluation lacks some metrics
    ]
    note = f"medians, with 95 % intervals for {INTERVAL_NEEDS} sounds or more; lower is better"
    if "take" in methods:
        note += "; take: another recording of the same note, the reference"
    return Table(title, ("class", "n", *methods), rows, 1 + len(methods), note)


def _score(described: Mapping[str, Any] | None, metric: str, digits: int) -> str:
    found = described and described[metric]
    if not found or found["median"] is None:
        return "-"
    if not found["interval"]:
        return f"{found['median']:.{digits}f}"
    low, high = (f"{end:.{digits - 1}f}" for end in found["interval"])
    return f"{found['median']:.{digits}f} {low}-{high}"


def _pitches(classes: Sequence[Mapping[str, Any]]) -> Table:
    methods = [method for method, found in classes[-1]["methods"].items() if found["pitch"]["n"]]
    has_notes = classes[-1]["note"]["n"]
    rows = []
    for one in classes:
        found = [one["methods"].get(method, {}).get("pitch") for method in methods]
        n = max((pitch["n"] for pitch in found if pitch), default=0)
        if n:
            note = [_shares(one["note"], one["note"]["n"])] if has_notes else []
            rows.append((one["class"], str(n), *map(_shares, found), *note))
    columns = (*methods, *(["known notes"] if has_notes else []))
    note = "shares with the right pitch class / and the right octave, of sounds with a known note or a clear pitch"
    if has_notes:
        note += "; known notes: the estimated note, where the note is known"
    return Table("Right pitch", ("class", "n", *columns), rows, 1 + len(columns), note)


def _shares(pitch: Mapping[str, Any] | None, n: int = 0) -> str:
    if not pitch or not pitch["n"]:
        return "-"
    return f"{pitch['class']:.0%} / {pitch['octave']:.0%}" + (f" of {n}" if n else "")


def _causes(causes: Sequence[Mapping[str, Any]], judged: str | None) -> Table:
    rows = [
        (
            one["cause"],
            str(one["n"]),
            str(one["failed"]),
            "-" if one["mss"] is None else f"{one['mss']:.2f}",
            one["meaning"],
        )
        for one in causes
    ]
    note = f"sounds, how many of them fail, and their median MSS of {judged}; a sound can have several properties"
    return Table("What is hard about the recordings", ("property", "n", "fail", "MSS dB", "meaning"), rows, 3, note)


def _failures(failures: Sequence[Mapping[str, Any]], judged: str | None) -> Table:
    rows = [
        (
            one["name"],
            "-" if one["mss"] is None else f"{one['mss']:.2f}",
            "-" if one["rse"] is None else f"{one['rse']:.3f}",
            one["class"],
            "; ".join(one["what"]),
            "; ".join(one["why"]) or "-",
        )
        for one in failures
    ]
    note = (
        f"{judged}, worst sounds first. far: MSS of {FAR_DB:g} dB or more; attack, fall and width: off by more than an "
        "octave, 50 ms, an octave, 30 dB"
    )
    head = ("sound", "MSS dB", "RSE", "class", "what fails", "why")
    return Table("What fails and why", head, rows, 2, note)


def _text(table: Table) -> str:
    shown = table.rows[:MOST_PRINTED] if table.title.startswith("What fails") else table.rows
    cells = [table.head, *shown]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.head))]
    lines = [table.title]
    for row in cells:
        numbers = [f"{cell:>{width}}" for cell, width in zip(row[1 : 1 + table.numbers], widths[1:], strict=False)]
        last = [f"{cell:{width}}" for cell, width in list(zip(row, widths, strict=True))[1 + table.numbers :]]
        lines.append("  ".join([f"{row[0]:{widths[0]}}", *numbers, *last]).rstrip())
    if len(shown) < len(table.rows):
        lines.append(f"and {len(table.rows) - len(shown)} more, which the report lists")
    return "\n".join([*lines, table.note])
