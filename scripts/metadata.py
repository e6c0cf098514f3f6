"""What the distributions say of where the project lives: a hook of hatchling's, for a repository without an address.

PHOENIX_LXC_REPOSITORY is the address of the repository, such as the hosted workflows know it. With it, `[project.urls]`
are there, and the README's links to files lead into the repository, for an index shows the README alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE = "PHOENIX_LXC_REPOSITORY"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s]+)(?=\))")


class Hook(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill them in."""
        repository = os.environ.get(VARIABLE, "").rstrip("/")
        if repository and urlsplit(repository).scheme != "https":
            raise ValueError(f"{VARIABLE} must be the https:// address of the repository.")
        version = metadata["version"]
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute(text, f"{repository}/blob/v{version}/") if repository else text,
        }
        metadata["urls"] = urls(repository, version) if repository else {}


def absolute(text: str, base: str) -> str:
    """Return a page whose links to files begin with `base`, and those of pictures with where they are as they are."""
    raw = base.replace("/blob/", "/raw/")
    return _LINK.sub(lambda found: (raw if found[1].endswith(".png") else base) + found[1], text)


def urls(repository: str, version: str) -> dict[str, str]:
    """Return what an index shows beside the project's page."""
    return {
        "Source": repository,
        "Documentation": f"{repository}/tree/v{version}/docs",
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
