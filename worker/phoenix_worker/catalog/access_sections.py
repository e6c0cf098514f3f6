"""Who can log in to a container: root's SSH keys and password, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import PlainValidator, WithJsonSchema, model_validator

from phoenix_worker.catalog.fields import Matching, PathText, refused
from phoenix_worker.catalog.sections import Section

_KIND = r"ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
_KEY = re.compile(rf"(?:{_KIND})\s+([A-Za-z0-9+/]+={{0,2}})(?:\s+[^\x00-\x1f]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file beside the catalog with a public key a line."""

    name: str


def is_public_key(line: str) -> bool:
    """Return whether a line is a public key as OpenSSH writes it, without options before it."""
    found = _KEY.fullmatch(line.strip())
    try:
        return found is not None and bool(binascii.a2b_base64(found[1], strict_mode=True))
    except binascii.Error:
        return False


def keys_in(text: str) -> tuple[list[str], list[int]]:
    """Read the keys of a file, without empty lines and comments, and name the lines that are none."""
    lines = [(number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), 1)]
    told = [(number, line) for number, line in lines if line and not line.startswith("#")]
    return [line for _, line in told], [number for number, line in told if not is_public_key(line)]


def _keys(value: Any) -> KeyFile | list[str]:
    if isinstance(value, str):
        if is_public_key(value.splitlines()[0]):
            raise refused("is a key, and no file", f"Write keys in a list: [{_in_json(value)}].")
        if not re.fullmatch(r"[^\x00-\x1f]+", value) or "PRIVATE KEY" in value:
            raise refused("is not a file name", "Name a file beside the catalog, or write a list of public keys.")
        return KeyFile(value)
    if not isinstance(value, list):
        raise refused("is neither a list nor a file name", "Write a list of public keys, or name a file.")
    for place, key in enumerate(value, 1):
        if not isinstance(key, str) or not is_public_key(key):
            what = "Write the one line of the .pub file, such as ssh-ed25519 AAAA… name."
            raise refused(f"has as key {place} what is not a public SSH key", what)
    return list(dict.fromkeys(" ".join(key.split()) for key in value))


def _in_json(value: str) -> str:
    return ", ".join(f'"{line.strip()}"' for line in value.splitlines() if line.strip())


SshKeys = Annotated[
    KeyFile | list[str],
    PlainValidator(_keys),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": "string"}}),
]
_VARIABLE = Matching(
    r"(?!PHOENIX_)[A-Za-z_][A-Za-z0-9_]*",
    "the name of an environment variable for a password",
    "Write the name of one of the worker's, which does not begin with PHOENIX_.",
)


class Password(Section):
    """Where a worker finds a password: the catalog itself holds no secret."""

    env: Annotated[str, _VARIABLE] | None = None
    """An environment variable of the worker."""
    file: PathText | None = None
    """A file of the worker, beside the catalog unless it is an absolute path; its first line."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) is (self.file is None):
            raise refused("does not name one place", NAME_A_PLACE)
        return self


NAME_A_PLACE = 'Write {"env": NAME} or {"file": PATH}: the catalog holds no secrets.'
