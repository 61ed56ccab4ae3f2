"""Tests of vjax.vital.tutorial.render."""

import json

from vjax.vital.preset import Route
from vjax.vital.tutorial.render import json_of, markdown_of, text_of
from vjax.vital.tutorial.steps import Connection, Fact, Part, Step, Tutorial

ROUTE = Route("env_2", "filter_1_cutoff", 0.25, bipolar=True, power=1.0, curve={"name": "x"})
TUTORIAL = Tutorial(
    name="A *star*\nand 'quotes'",
    author="Me_\x1b[0m",
    style="Bass",
    steps=(
        Step("Oscillator 1", ("Set it.", "Load the wavetable 'a_b' " + "so " * 40 + "far."), (), (), (Part("p", "q"),)),
        Step(
            "Filter 1",
            ("Set the cutoff to 262 Hz.",),
            (Fact("filter_1_cutoff", "cutoff", 60.0, "262 Hz"),),
            (Connection(7, ROUTE, "Filter 1 Cutoff"),),
        ),
    ),
    notes=("volume 9 clipped to [0, 1]",),
)


def test_text_of_numbers_steps_and_wraps_lines():
    lines = text_of(TUTORIAL).splitlines()
    assert lines[0] == "How to build \"A *star* and 'quotes'\" by Me_ [0m in Vital"
    assert lines[1:4] == ["", "1. Oscillator 1", "   Set it."]
    assert lines[4].startswith("   Load the wavetable")
    assert lines[5].startswith("     so ")
    assert max(map(len, lines)) <= 100
    assert lines[7:10] == ["2. Filter 1", "   Set the cutoff to 262 Hz.", ""]
    assert lines[10:] == ["Not in these steps", "   volume 9 clipped to [0, 1]."]


def test_markdown_of_escapes_what_markdown_reads():
    lines = markdown_of(TUTORIAL).splitlines()
    assert lines[0] == "# How to build \"A \\*star\\* and 'quotes'\" by Me\\_ \\[0m in Vital"
    assert lines[1:5] == ["", "## 1. Oscillator 1", "", "- Set it."]
    assert "'a\\_b'" in lines[5]
    assert lines[-1] == "- volume 9 clipped to \\[0, 1\\]."


def test_json_of_has_facts_connections_and_parts():
    found = json.loads(json.dumps(json_of(TUTORIAL)))
    assert list(found) == ["name", "author", "style", "steps", "notes"]
    first, second = found["steps"]
    assert first["parts"] == [{"name": "p", "text": "q"}]
    assert second["facts"] == [{"control": "filter_1_cutoff", "label": "cutoff", "native": 60.0, "text": "262 Hz"}]
    assert second["connections"] == [
        {
            **{"slot": 7, "source": "env_2", "destination": "filter_1_cutoff", "amount": 0.25, "bipolar": True},
            **{"power": 1.0, "stereo": False, "text": "Filter 1 Cutoff"},
        }
    ]
