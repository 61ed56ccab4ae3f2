"""The report of an evaluation: one HTML file that needs no network and no other file.

The page contains its style, its scripts, the scores and, for each sound, one block of JSON with the audio and the
images. A block is read when the sound is opened.

Names come from strangers' presets and are not trusted. The page stores them as JSON without any `<`, and the scripts
insert them as text. A content security policy allows only the page's own script, by its hash, and no network address.
"""

import html
from pathlib import Path
from typing import Any

from vjax.engine.pool import default_workers
from vjax.evaluation.results import Target
from vjax.inference.predict_many import map_ahead
from vjax.io.atomic import replacing
from vjax.page.parts import MARK, asset, embedded_json, policy
from vjax.report.content import page_data, sound_detail
from vjax.report.evaluation_folder import read_evaluation

SOUNDS_LIMIT = 150
"""How many sounds a page contains with audio and images: about 40 MB with seven versions of 2 s each."""

_SCRIPTS = (
    "elements.js",
    "data.js",
    "summary.js",
    "player.js",
    "comparison.js",
    "detail.js",
    "keys.js",
    "sounds.js",
)


def write_report(folder: str | Path, sounds_limit: int = SOUNDS_LIMIT) -> Path:
    """Writes `folder/report.html` from an evaluation's folder, finished or not.

    The file is written atomically: it appears complete or not at all.

    Args:
      folder: written by `vjax evaluate`: targets.json, results.jsonl, evaluation.json, sounds/.
      sounds_limit: the first `sounds_limit` sounds come with audio, images and presets, the others only with scores. A
        sound of 2 s takes about 0.26 MB with seven versions.

    Returns:
      The path of the page.

    Raises:
      ValueError: the folder contains no evaluation, or `sounds_limit` is negative.
    """
    if sounds_limit < 0:
        raise ValueError(f"sounds_limit={sounds_limit}; give 0 or more")
    folder = Path(folder)
    evaluation = read_evaluation(folder)
    style, script = asset("style.css"), "\n".join(asset(name) for name in _SCRIPTS)
    title = f"vjax evaluation: {folder.resolve().name}"
    parts = {
        "CSP": policy(style, script),
        "TITLE": html.escape(title),
        "STYLE": style,
        "DATA": embedded_json(page_data(evaluation)),
        "SCRIPT": script,
    }

    def detail_of(numbered: tuple[int, Target]) -> dict[str, Any]:
        i, target = numbered
        if i >= sounds_limit:
            return {"problem": f"Left out of this page for its size; see sounds/{target.id} beside it."}
        return sound_detail(evaluation, target)

    path = folder / "report.html"
    head, tail = asset("page.html").split("<!--DETAILS-->")
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as page:
        page.write(MARK.sub(lambda mark: parts[mark.group(1)], head))
        workers = default_workers()
        details = map_ahead(detail_of, enumerate(evaluation.targets), workers, most=2 * workers)
        for i, detail in enumerate(details):
            page.write(f'<script type="application/json" id="detail-{i}">{embedded_json(detail)}</script>\n')
        page.write(tail)
    return path
