"""Whether the datacenter has what the catalog refers to by name, and what replication keeps from being deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error, fine, listed, warning
from phoenix_worker.core.planned.datacenter import TAG_REMEDY, forbidden_tags, how_to_make, lacking_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.core.planned.datacenter import Datacenter, Lacking


def judge_tags(catalog: Mapping[int, Declaration], datacenter: Datacenter) -> Iterator[Line]:
    """Say which tags only administrators may set; `phoenix` is set on everything."""
    if datacenter.tags is None:
        return
    wanting: dict[str, list[int]] = {}
    for ctid, one in catalog.items():
        for tag in forbidden_tags(one, datacenter.tags):
            wanting.setdefault(tag, []).append(ctid)
    for tag, ctids in sorted(wanting.items()):
        what = f"only administrators may set it, and CT {listed(ctids)} get it"
        yield error(f"Tag {tag}", what, TAG_REMEDY.format(tag=tag))
    if catalog and not wanting:
        yield fine("Tags", "the token may set all that the catalog has")


def judge_firewall_names(catalog: Mapping[int, Declaration], datacenter: Datacenter) -> Iterator[Line]:
    """Say which aliases, IP sets and security groups the rules name that there are none of."""
    wanting: dict[Lacking, list[int]] = {}
    for ctid, one in catalog.items():
        for lacking in lacking_names(one, datacenter):
            wanting.setdefault(lacking, []).append(ctid)
    for lacking, ctids in sorted(wanting.items(), key=lambda one: (one[0].kind, one[0].name)):
        about = f"{lacking.kind[0].upper()}{lacking.kind[1:]} {lacking.name}"
        what = f"the datacenter has none of this name, and the firewall of CT {listed(ctids)} names it"
        if lacking.only_there:
            yield error(about, what, how_to_make(lacking))
        else:
            yield warning(about, f"{what}; their own, or their template's, may", how_to_make(lacking))


def judge_replication(catalog: Mapping[int, Declaration], jobs: Mapping[int, Sequence[str]]) -> Iterator[Line]:
    """Say which of the catalog's containers have replication jobs: Proxmox deletes none before these."""
    found = {ctid: jobs[ctid] for ctid in catalog if jobs.get(ctid)}
    if found:
        names = [name for each in found.values() for name in each]
        yield warning(
            "Replication",
            f"CT {listed(found)}: replication jobs {listed(names)}; what has one is neither destroyed nor rebuilt",
            f"A minute or two before that, on a node: {'; '.join(f'pvesr delete {name}' for name in names)}",
        )
