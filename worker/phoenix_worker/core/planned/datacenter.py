"""What a container refers to by name in the datacenter: tags, and the aliases, IP sets and groups of its firewall.

Proxmox refuses a tag, an alias or an IP set only when it is written, after the container was made. A security group
that there is none of it takes without a word, and the rule does nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.firewall import declared_rule
from phoenix_worker.core.differs.tags import tag_change, wanted_tags
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.firewall import Rule, TagRules
    from phoenix_worker.core.model.observation import Observation

TAG_NOT_ALLOWED = "tag-not-allowed"
TAG_REMEDY = (
    "In the datacenter's options, add the tag '{tag}' to `user-allow-list` of `user-tag-access`, and remove it from "
    "`registered-tags`. Or give the API token Sys.Modify on /."
)
NAME_MISSING = "firewall-name-missing"
_REFERENCE = re.compile(r"(?P<set>\+?)(?P<scope>dc/|guest/|sdn/)?(?P<name>[A-Za-z][\w-]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Datacenter:
    """What it has; None is not known."""

    tags: TagRules | None = None
    names: frozenset[str] | None = None
    """Of aliases, in small letters, and of IP sets, with a plus sign before each."""
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Lacking:
    """A name that there is none of."""

    kind: str
    name: str
    only_there: bool = True
    """Whether the datacenter alone may have it; else the guest's firewall may, or that of what it is cloned from."""
    of_sdn: bool = False
    """Whether it is one that SDN has for a VNet."""

    @property
    def own(self) -> str:
        """Name it as `firewall_names` of a guest does."""
        return f"+{self.name}" if self.kind == "IP set" else self.name.lower()


def forbidden_tags(declaration: Declaration, rules: TagRules | None, seen: Observation | None = None) -> list[str]:
    """Name the tags that the token may not set, or take away from what is `seen`: there, or about to be cloned."""
    if rules is None:
        return []
    there = seen is not None and seen.presence is Presence.HERE
    present = seen.config.get("tags", "") if seen is not None and there else ""
    keeps = seen is not None and seen.tags_keep_case
    if there and not tag_change(declaration.tags, present, case_sensitive=keeps):
        return []
    wanted = wanted_tags(declaration.tags, present, case_sensitive=keeps or not there)
    changed = set(wanted.split(";")) ^ {tag for tag in re.split(r"[;,\s]+", present) if tag}
    return sorted(filter(rules.forbids, changed))


def lacking_names(declaration: Declaration, datacenter: Datacenter, present: Iterable[Rule] = ()) -> list[Lacking]:
    """Name what the rules of its firewall refer to and the datacenter has not, unless a rule does that is there."""
    if declaration.firewall is None:
        return []
    known = {reference for rule in present for reference in _references(rule)}
    rules = map(declared_rule, declaration.firewall.rules or ())
    named = dict.fromkeys(reference for rule in rules for reference in _references(rule) if reference not in known)
    return [one for key, text in named if (one := _lacking(key, text, datacenter)) is not None]


def tag_refused(declaration: Declaration, tag: str) -> PermanentError:
    """Return the error of a tag that only administrators may set."""
    why = f"only administrators may set or remove the tag '{tag}'"
    return PermanentError(f"{_subject(declaration)}: {why}.", cause=TAG_NOT_ALLOWED, remedy=TAG_REMEDY.format(tag=tag))


def name_missing(declaration: Declaration, lacking: Lacking) -> PermanentError:
    """Return the error of a name that there is none of."""
    why = f"its firewall names the {lacking.kind} '{lacking.name}', which does not exist"
    return PermanentError(f"{_subject(declaration)}: {why}.", cause=NAME_MISSING, remedy=how_to_make(lacking))


def how_to_make(lacking: Lacking) -> str:
    """Return the remedy, with the command that makes it.

    Proxmox reads the names of IP sets and groups in small letters, and looks for those of rules as they are written
    (pve-firewall, `generic_fw_config_parser` and `verify_rule`).
    """
    if lacking.of_sdn:
        return "Correct `firewall` in the catalog, or give the API token SDN.Audit on /sdn/zones: it may not see it."
    name = lacking.name if lacking.kind == "alias" else lacking.name.lower()
    command = {
        "security group": f"pvesh create /cluster/firewall/groups --group {name}",
        "IP set": f"pvesh create /cluster/firewall/ipset --name {name}",
        "alias": f"pvesh create /cluster/firewall/aliases --name {name} --cidr ADDRESS",
    }[lacking.kind]
    if name != lacking.name:
        small = f"Write '{name}' in the `firewall` of the catalog: Proxmox keeps such names in small letters."
        return f"{small} If there is none, make it on a node: `{command}`."
    return f"Correct `firewall` in the catalog, or make it on a node: `{command}`."


def _subject(declaration: Declaration) -> str:
    what = "build template" if declaration.is_template else "ensure CT"
    return f"Unable to {what} {declaration.ctid} on {declaration.where}"


def _references(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.get("type") == "group":
        yield "group", rule["action"]
        return
    yield from ((key, rule[key]) for key in ("source", "dest") if key in rule)


def _lacking(key: str, text: str, datacenter: Datacenter) -> Lacking | None:
    if key == "group":
        lacks = datacenter.groups is not None and text not in datacenter.groups
        return Lacking("security group", text) if lacks else None
    found = _REFERENCE.fullmatch(text)
    if found is None or datacenter.names is None:
        return None
    of_sdn, kind = found["scope"] == "sdn/", "IP set" if found["set"] else "alias"
    one = Lacking(kind, found["name"], of_sdn or found["scope"] == "dc/", of_sdn)
    return None if found["scope"] != "guest/" and one.own in datacenter.names else one
