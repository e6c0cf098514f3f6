"""`/etc/pve/lxc/ID.conf` of a simulated container, as `write_pct_config` of pve-container has it, and back."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RAW = re.compile(r"(lxc\.[a-z0-9_\-.]+)(:|\s*=)\s*(.*?)\s*")
_SECTION = re.compile(r"\[(pve:pending|[a-z][a-z0-9_\-]+)\]\s*", re.IGNORECASE)


def conf_text(container: Any) -> str:
    """Write a container of fakepve down."""
    lines = list(_section(container.config))
    if container.pending:
        waiting = {key: value for key, value in container.pending.items() if value is not None}
        gone = ",".join(key for key, value in container.pending.items() if value is None)
        lines += ["", "[pve:pending]", *_section(waiting | ({"delete": gone} if gone else {}))]
    for name, snapshot in sorted(container.snapshots.items()):
        lines += ["", f"[{name}]", *_section(snapshot)]
    return "".join(f"{line}\n" for line in lines)


def _section(config: Mapping[str, Any]) -> Iterator[str]:
    for line in str(config.get("description", "")).rstrip("\n").split("\n") if config.get("description") else ():
        yield f"#{quote(line, safe=' !$&()*+,-./;<=>?@[]^_`{|}~')}"
    for key in sorted(config.keys() - {"description", "lxc"}):
        yield f"{key}: {config[key]}"
    for key, value in config.get("lxc", ()):
        yield f"{key}: {value}"


def digest(container: Any) -> str:
    """As Proxmox: of the file."""
    return hashlib.sha1(conf_text(container).encode(), usedforsecurity=False).hexdigest()


def take_over(container: Any, text: str) -> None:
    """Read a file that somebody wrote: only raw lines of the container itself may be other ones than before."""
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines) if _SECTION.fullmatch(line)), len(lines))
    raw = [found for line in lines[:end] if (found := _RAW.fullmatch(line))]
    before = conf_text(container)
    container.config["lxc"] = [[found[1], found[3]] for found in raw]
    if not raw:
        del container.config["lxc"]
    expected = conf_text(container)
    if sorted(expected.split("\n")) != sorted(text.split("\n")):
        raise AssertionError(f"More than raw lines was changed:\n{before}\n→\n{text}")
