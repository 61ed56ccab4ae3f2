"""Hooks of MkDocs: some files of the repository outside of docs/ are pages of the site, too.

Links in the documents are those of the repository, so that they work there. Here they become links between pages. A
link to a file that is not a page becomes its text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

PAGES = {
    "BUILD_NOTES.md": "build-notes.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "vjax/shipped/MODEL_CARD.md": "model-card.md",
}
"""Files, relative to the repository, and the pages that they become."""


def on_files(files, config):
    """Adds the pages to the site."""
    root = Path(config.config_file_path).parent
    for file, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(root / file)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Converts the links of a page. Those between files of docs/ stay as they are."""
    here = page.file.src_uri
    origin = next((file for file, uri in PAGES.items() if uri == here), f"docs/{here}")

    def converted(link):
        text, target = link.groups()
        file, mark, heading = target.partition("#")
        found = posixpath.normpath(posixpath.join(posixpath.dirname(origin), file))
        if not file or re.match(r"\w+:", target) or (found.startswith("docs/") and origin.startswith("docs/")):
            return link[0]
        uri = PAGES.get(found, found.removeprefix("docs/") if found.startswith("docs/") else None)
        if uri is None and (Path(config.config_file_path).parent / found).exists():
            return text
        return f"[{text}]({posixpath.relpath(uri or found, posixpath.dirname(here) or '.')}{mark}{heading})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", converted, markdown)
