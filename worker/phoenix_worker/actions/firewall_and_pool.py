"""What belongs to a container and is not in its configuration: firewall, pool and HA, where they are declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.firewall import firewall_writes, left_behind, rule_writes
from phoenix_worker.core.differs.tags import as_stored, hangs_on_case
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.firewall import Act, FirewallState
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.firewall import RuleWrite
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox


def with_surroundings(
    proxmox: Proxmox, declaration: Declaration, seen: Observation, *, new: bool = False
) -> Observation:
    """Look at what of it is declared: two calls with a firewall, one with a pool or HA, one where tags' case decides.

    Of what this job has made just now only the rules are read, which a clone has from its template; whether it is on
    is said anyhow, which costs no more than to ask. Its pool was in the order.
    """
    if seen.presence is not Presence.HERE:
        return seen
    if declaration.firewall is not None:
        seen = replace(seen, firewall=proxmox.firewall(seen.node, seen.ctid, option=not new))
    if declaration.pool is not None and not new:
        seen = replace(seen, pool=proxmox.pool_of(seen.ctid, declaration.pool))
    if declaration.ha is not None:
        seen = replace(seen, ha=proxmox.ha_resource(seen.ctid))
    return _with_case_of_tags(proxmox, declaration, seen)


def with_surroundings_then(proxmox: Proxmox, declaration: Declaration, template: Observation) -> Observation:
    """Look at what a clone will have of its template, which may not be made yet: then its tags are as foretold."""
    if template.firewall is None:
        return with_surroundings(proxmox, declaration, template, new=True)
    tags = template.config.get("tags", "")
    if tags == tags.lower():
        return _with_case_of_tags(proxmox, declaration, template)
    keep = proxmox.tags_keep_case()
    return replace(
        template, config=template.config | {"tags": as_stored(tags, case_sensitive=keep)}, tags_keep_case=keep
    )


def _with_case_of_tags(proxmox: Proxmox, declaration: Declaration, seen: Observation) -> Observation:
    return replace(seen, tags_keep_case=proxmox.tags_keep_case()) if hangs_on_case(declaration, seen) else seen


def change_surroundings(
    proxmox: Proxmox, declaration: Declaration, seen: Observation, changes: Changes, *, new: bool
) -> None:
    """Bring the firewall's rules in line, then switch it: one that goes on has its rules already. Then pool, and HA.

    Rules are changed by their position. The first request carries the digest that was seen; so that nobody's change
    in between goes wrong unseen, the rules of what stood there before are looked at once more after several requests.

    Raises TransientError, with what was put in taken out again.
    """
    node, ctid = seen.node, seen.ctid
    _write_rules(proxmox, seen, changes.rules)
    by_position = any(write.act is not Act.INSERT for write in changes.rules[1:])
    if by_position and not new and firewall_writes(declaration.firewall, proxmox.firewall(node, ctid, option=False)):
        raise TransientError(
            f"Unable to change the firewall rules of CT {ctid} on {node}: somebody else changed them meanwhile.",
            cause="stale-digest",
            remedy="Nothing to do unless it persists.",
        )
    if changes.firewall_on is not None or changes.policies:
        proxmox.switch_firewall(node, ctid, on=changes.firewall_on, policies=changes.policies)
    if changes.pool is not None:
        proxmox.join_pool(ctid, changes.pool)
    if changes.ha is not None:
        proxmox.write_ha_resource(ctid, changes.ha)


def _write_rules(proxmox: Proxmox, seen: Observation, rules: Sequence[RuleWrite]) -> None:
    before = seen.firewall or FirewallState(enabled=None)
    for count, write in enumerate(rules):
        try:
            proxmox.write_rule(seen.node, seen.ctid, write, digest="" if count else before.digest)
        except PermanentError as error:
            message = f"{error.message} {_put_back(proxmox, seen, rules[:count], before)}"
            raise PermanentError(message, cause=error.cause, remedy=error.remedy) from error


def _put_back(proxmox: Proxmox, seen: Observation, done: Sequence[RuleWrite], before: FirewallState) -> str:
    """Take away what was put in, so that the container has no half of the new rules; say what became of them.

    What is there otherwise than it was left, somebody else has changed, and it stays so.
    """
    try:
        now = proxmox.firewall(seen.node, seen.ctid, option=False)
        undoing = rule_writes(now.rules, before.rules)
        if [write.act for write in undoing] != [Act.DELETE] * sum(write.act is Act.INSERT for write in done):
            return left_behind(done)
        for count, write in enumerate(undoing):
            proxmox.write_rule(seen.node, seen.ctid, write, digest="" if count else now.digest)
    except (PermanentError, TransientError):  # told is why the rules were not taken
        return left_behind(done)
    return left_behind(())
