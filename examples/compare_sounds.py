"""Renders a preset at two cutoffs with Vital's engine, and measures how far apart the sounds are.

python examples/compare_sounds.py tests/data/presets/Rhodesy.vital
"""

import sys

import vjax
from vjax.audio.distances import mss
from vjax.vital.values import with_values

preset = vjax.read_preset(sys.argv[1])
darker = with_values(preset, {"filter_1_on": 1, "filter_1_cutoff": 60})
before, after = vjax.render(preset, note="C3"), vjax.render(darker, note="C3")
print(f"MSS {float(mss(after, before)):.1f} dB")
