"""Which Proxmox, and what of it may be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_worker.proxmox.connection import Access

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

SECRET_VARIABLE = "PHOENIX_CONFORMANCE_SECRET"
CTIDS_NEEDED = 12
SCRATCH = 3
"""The last of the CTIDs: templates are rebuilt there."""


class UnfitError(Exception):
    """It cannot be tried there; nothing was begun."""


@dataclass(frozen=True)
class Target:
    """One node of a Proxmox cluster, or two."""

    access: Access = field(repr=False)
    node: str
    storage: str
    bridge: str
    ctids: range
    template_storage: str
    os_template: str | None
    other: str | None = None
    """A second node, for what takes one."""


def target_of(options: Namespace, environ: Mapping[str, str]) -> Target:
    """Read the options. Raises UnfitError for what cannot be meant, and for a secret that is nowhere."""
    node, other = _nodes(options)
    user, mark, name = options.token.partition("!")
    if not (mark and name and "@" in user):
        raise UnfitError(f"--token {options.token} is no token id, such as phoenix@pve!worker.")
    return Target(
        access=Access(
            host=options.pve.removeprefix("https://").rstrip("/"),
            user=user,
            token_name=name,
            token_value=_secret(options, environ),
            ca_file=str(options.ca) if options.ca else None,
        ),
        node=node,
        other=other,
        storage=options.storage,
        bridge=options.bridge,
        ctids=_ctids(options.ctids),
        template_storage=options.template_storage,
        os_template=options.os_template,
    )


def _nodes(options: Namespace) -> tuple[str, str | None]:
    if (options.node is None) == (options.nodes is None):
        raise UnfitError("name one node with --node, or two with --nodes.")
    if options.nodes is None:
        return str(options.node), None
    first, *others = options.nodes.split(",")
    if not first or len(others) != 1 or others[0] in {"", first}:
        raise UnfitError(f"--nodes {options.nodes} does not name two nodes, such as pve1,pve2.")
    return first, others[0]


def _secret(options: Namespace, environ: Mapping[str, str]) -> str:
    try:
        found = options.secret_file.read_text() if options.secret_file else environ.get(SECRET_VARIABLE, "")
    except OSError as error:
        raise UnfitError(f"{options.secret_file} cannot be read: {error.strerror}.") from error
    if not found.strip():
        raise UnfitError(f"there is no secret. Set {SECRET_VARIABLE}, or name a file with --secret-file.")
    return str(found).strip()


def _ctids(text: str) -> range:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise UnfitError(f"--ctids {text} is no range, such as 9000-9020.")
    ctids = range(int(first), int(last) + 1)
    if len(ctids) < CTIDS_NEEDED or ctids[0] < 100:
        raise UnfitError(f"--ctids {text}: at least {CTIDS_NEEDED} CTIDs from 100 on are needed.")
    return ctids
