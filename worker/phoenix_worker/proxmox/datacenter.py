"""The part of the API that is about what the datacenter has by name: tags, and what firewall rules refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.firewall import TagRules
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.proxmox.connection import Connection

_OPTIONS = Request("GET", "cluster/options", "read how the datacenter treats tags")


class Names:
    """Base of the API."""

    _connection: Connection
    privileges: Callable[[str], frozenset[str]]

    def tags_keep_case(self) -> bool:
        """Ask `GET /cluster/options` for the datacenter's `tag-style`, which everybody may see."""
        return str(_parts(self._connection.fields(_OPTIONS).get("tag-style")).get("case-sensitive") or 0) == "1"

    def tag_rules(self) -> TagRules | None:
        """Ask `GET /cluster/options`, unless the token has Sys.Modify on `/`.

        Without Sys.Audit on `/` it shows neither which tags are registered nor whether others may be set.
        """
        if "Sys.Modify" in self.privileges("/"):
            return None
        options = self._connection.fields(_OPTIONS)
        access = _parts(options.get("user-tag-access"))
        return TagRules(
            allowed=frozenset(_words(options.get("allowed-tags"))),
            registered=frozenset(_words(options.get("registered-tags"))),
            free=(access.get("user-allow") or "free") == "free",
        )

    def firewall_names(self, node: str = "", ctid: int = 0) -> frozenset[str]:
        """Ask `GET /cluster/firewall/refs`, or that of a guest, which has those of the datacenter too."""
        path = f"nodes/{node}/lxc/{ctid}/firewall/refs" if ctid else "cluster/firewall/refs"
        needs = f"VM.Audit on /vms/{ctid}" if ctid else "Sys.Audit on /"
        rows = self._connection.rows(Request("GET", path, "list what firewall rules may name", needs))
        return frozenset(f"+{row['name']}" if row["type"] == "ipset" else str(row["name"]).lower() for row in rows)

    def firewall_groups(self) -> frozenset[str]:
        """Ask `GET /cluster/firewall/groups`, which everybody may."""
        request = Request("GET", "cluster/firewall/groups", "list the security groups")
        return frozenset(str(row["group"]) for row in self._connection.rows(request))


def _parts(value: Any) -> dict[str, Any]:
    """Read an option, which the API gives in parts, or as the text of the file."""
    return property_string.parse(value) if isinstance(value, str) else dict(value or {})


def _words(value: Any) -> list[str]:
    return value.split(";") if isinstance(value, str) else [str(word) for word in value or ()]
