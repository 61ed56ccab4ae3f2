"""A tutorial as text, as Markdown and as JSON types."""

import dataclasses
import re
import textwrap
from typing import Any

from vjax.vital.tutorial.steps import Connection, Tutorial
from vjax.vital.tutorial.words import one_line

_WIDTH = 100


def text_of(tutorial: Tutorial) -> str:
    """Plain text: a heading, numbered titles, and a line for each sentence, wrapped at 100 columns."""
    lines = [_heading(tutorial)]
    for number, step in enumerate(tutorial.steps, start=1):
        lines += ["", f"{number}. {step.title}"]
        lines += [_wrapped(sentence) for sentence in step.sentences]
    if tutorial.notes:
        lines += ["", "Not in these steps"]
        lines += [_wrapped(f"{note}.") for note in tutorial.notes]
    return "\n".join(lines) + "\n"


def markdown_of(tutorial: Tutorial) -> str:
    """Markdown: a heading for each step, and its sentences as a list."""
    lines = [f"# {_escaped(_heading(tutorial))}"]
    for number, step in enumerate(tutorial.steps, start=1):
        lines += ["", f"## {number}. {_escaped(step.title)}", ""]
        lines += [f"- {_escaped(sentence)}" for sentence in step.sentences]
    if tutorial.notes:
        lines += ["", "## Not in these steps", ""]
        lines += [f"- {_escaped(note)}." for note in tutorial.notes]
    return "\n".join(lines) + "\n"


def json_of(tutorial: Tutorial) -> dict[str, Any]:
    """JSON types, with the fields of `Tutorial`. A connection has the fields of its route beside its own."""
    content = dataclasses.asdict(dataclasses.replace(tutorial, steps=()))
    steps = []
    for step in tutorial.steps:
        plain = dataclasses.asdict(dataclasses.replace(step, connections=()))
        steps.append({**plain, "connections": [_connection(connection) for connection in step.connections]})
    return {**content, "steps": steps}


def _connection(connection: Connection) -> dict[str, Any]:
    route = connection.route._asdict()
    fields = ("source", "destination", "amount", "bipolar", "power", "stereo")
    return {"slot": connection.slot, **{field: route[field] for field in fields}, "text": connection.text}


def _heading(tutorial: Tutorial) -> str:
    author = one_line(tutorial.author)
    return f"How to build {one_line(tutorial.name)!r}{f' by {author}' if author else ''} in Vital"


def _wrapped(sentence: str) -> str:
    # Not at hyphens, and not inside long words: numbers and names stay whole.
    return textwrap.fill(
        one_line(sentence),
        _WIDTH,
        initial_indent="   ",
        subsequent_indent="     ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", one_line(text))
