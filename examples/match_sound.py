"""Matches a sound, prints what the preset is made of, and writes it.

python examples/match_sound.py tests/data/sounds/rhodes.wav C4
"""

import sys

import vjax
from vjax.vital.tutorial.render import text_of

sound, note = sys.argv[1:3]
result = vjax.match(sound, note=note)
print(f"{result.label}: {result.mss_db:.1f} dB MSS to the sound")
print(text_of(vjax.explain(result.preset)))
print("written:", *result.save("matched.vital"))
