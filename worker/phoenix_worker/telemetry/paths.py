"""Paths of Proxmox's API by their kind, so that no CTID, node or volume is in a label."""

from __future__ import annotations

_NAMED = {"nodes": "{node}", "lxc": "{ctid}", "qemu": "{vmid}", "tasks": "{upid}", "storage": "{storage}"}
_NAMED |= {
    "content": "{volume}",
    "snapshot": "{snapshot}",
    "rules": "{position}",
    "pools": "{pool}",
    "bridge": "{bridge}",
    "resources": "{sid}",
}


def endpoint(path: str) -> str:
    """Name the kind of path that this is: `nodes/{node}/lxc/{ctid}/config`."""
    before, named = "", []
    storage, content, volume = path.partition("/content/")
    for part in [*storage.split("/"), *([content.strip("/"), volume] if content else ())]:
        named.append(_NAMED.get(before, part))
        before = part
    return "/".join(named)
