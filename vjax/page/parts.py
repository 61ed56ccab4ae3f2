"""The parts of a page that needs no other file: its assets, its data as JSON, and its security policy."""

import base64
import hashlib
import importlib.resources
import json
import re
from typing import Any

MARK = re.compile(r"<!--([A-Z]+)-->")


def embedded_json(content: Any) -> str:
    """JSON that is safe inside a `<script>` element, whatever its strings contain.

    Inside the element, HTML parsers look for `</script` and `<!--`. Text without any `<` contains neither.
    """
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def policy(style: str, script: str) -> str:
    """A content security policy for a page of one style and one script: nothing else runs, and nothing is fetched."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in (style, script)]
    rules = (
        "default-src 'none'",
        "img-src data:",
        "media-src blob: data:",
        f"style-src 'sha256-{hashes[0]}'",
        f"script-src 'sha256-{hashes[1]}'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def asset(name: str) -> str:
    return importlib.resources.files("vjax.page").joinpath("assets", name).read_text(encoding="utf-8")
