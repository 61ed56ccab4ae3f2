"""vjax estimates the Vital preset that makes a sound.

    import vjax

    result = vjax.match("bass.wav", note="C2")
    result.save("bass.vital")

All names are imported when they are first used, so that `import vjax` takes a few milliseconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "MatchResult": "vjax.matching.result",
    "Predictor": "vjax.inference.predict",
    "explain": "vjax.vital.tutorial.explain",
    "match": "vjax.matching.api",
    "match_many": "vjax.matching.api",
    "read_preset": "vjax.vital.preset",
    "render": "vjax.matching.api",
    "vary": "vjax.matching.api",
    "write_preset": "vjax.vital.preset",
}

__all__ = [
    "MatchResult",
    "Predictor",
    "__version__",
    "explain",
    "match",
    "match_many",
    "read_preset",
    "render",
    "vary",
    "write_preset",
]

if TYPE_CHECKING:
    from vjax.inference.predict import Predictor
    from vjax.matching.api import match, match_many, render, vary
    from vjax.matching.result import MatchResult
    from vjax.vital.preset import read_preset, write_preset
    from vjax.vital.tutorial.explain import explain

else:  # a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'vjax' has no attribute {name!r}")
        found = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = found  # later uses do not call `__getattr__`
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
