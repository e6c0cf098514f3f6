"""The types of what an OS template is named by: a volume or a file, a URL, an OCI image; and a checksum."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from phoenix_worker.catalog.fields import os_template, refused

_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_ARCHIVE = re.compile(r"[\w.-]+\.tar(\.(gz|xz|zst|bz2))?", re.ASCII | re.IGNORECASE)
OCI, HTTP = "oci://", ("http://", "https://")
_HOST = r"[a-zA-Z\d]([a-zA-Z\d-]*[a-zA-Z\d])?"
_PART = r"[a-z\d]+(([._]|__|-*)[a-z\d]+)*"
_REFERENCE = re.compile(rf"({_HOST}(\.{_HOST})*(:\d+)?/)?{_PART}(/{_PART})*:\w[\w.-]{{0,127}}", re.ASCII)
"""As Proxmox takes it (`oci_registry_pull` in pve-storage): with a tag, without a digest."""


def _checksum(value: str) -> str:
    algorithm, _, digest = value.lower().partition(":")
    if re.fullmatch("[0-9a-f]*", digest) is None or len(digest) != _LENGTHS.get(algorithm, -1):
        raise refused("is not a checksum", "Write it like sha256:…, with all 64 hex digits of the file's.")
    return f"{algorithm}:{digest}"


Checksum = Annotated[str, AfterValidator(_checksum)]


def _template(value: str) -> str:
    if value.startswith(OCI):
        if _REFERENCE.fullmatch(value.removeprefix(OCI)) is None:
            remedy = "Write it with its tag and without a digest, such as oci://docker.io/library/alpine:3.20."
            raise refused("is not a reference to an OCI image", remedy)
        return value
    return _url(value) if value.startswith(HTTP) else os_template(value)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if "@" in parts.netloc or not parts.hostname or re.search(r"[\x00-\x20\x7f]", value):
        raise refused("is not the URL of an OS template", "Write it without a user, a password and blanks.")
    if _ARCHIVE.fullmatch(name_in(value)) is None:
        remedy = "Its path has to end in the file's name, such as https://example.org/x.tar.zst."
        raise refused("is not the URL of an OS template", remedy)
    return value


Template = Annotated[str, AfterValidator(_template)]


def is_image(template: str) -> bool:
    """Return whether it may be an OCI image: Proxmox knows one by the content of a `.tar`."""
    return template.startswith(OCI) or template.endswith(".tar")


def name_in(url: str) -> str:
    """Return the file name in the path of a URL as Proxmox writes it (`normalize_content_filename`)."""
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", posixpath.basename(unquote(urlsplit(url).path)))
