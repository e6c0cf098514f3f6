"""OS templates that are fetched from elsewhere: by a URL, or from a registry of OCI images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import Download
from phoenix_worker.catalog.findings import Refusal
from phoenix_worker.catalog.template_fields import HTTP, OCI, name_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry


def refuse_downloads(entries: Mapping[int, ParsedEntry]) -> Iterator[Refusal]:
    """Refuse a checksum of nothing, and an archive that anybody on the way could replace."""
    for ctid, parsed in entries.items():
        template, checksum = parsed.entry.template or "", parsed.entry.checksum
        by_url = template.startswith(HTTP)
        if checksum is not None and not by_url:
            yield Refusal(
                ctid, "checksum has no effect: template is not a URL.", "Remove it, or write a URL in template."
            )
        if checksum is None and template.startswith("http://"):
            problem = "template is fetched over http, where anybody on the way can replace it."
            yield Refusal(ctid, problem, "Write https, or declare its checksum.")


def download(entry: Entry) -> Download | None:
    """Return where the OS template of an entry is fetched from; None where it is named by its volume or file."""
    template = entry.template or ""
    if template.startswith(OCI):
        reference = template.removeprefix(OCI)
        return Download(f"{re.sub('[/:]', '_', reference)}.tar", image=reference)
    if template.startswith(HTTP):
        return Download(name_in(template), url=template, checksum=entry.checksum)
    return None
