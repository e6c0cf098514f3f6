"""What others do on the node while the product works there: backups, restores, a token with fewer rights.

Each is undone at the end of its block. What cannot be undone is told as left behind.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.connection import Access
from tests.conformance.ground import Ground, NotShownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KIB = 1024


def backup_storage(ground: Ground) -> str:
    """Find a storage of the node that takes backups."""
    found = ground.ask("GET", f"nodes/{ground.target.node}/storage", content="backup", enabled=1)
    names = sorted(str(one["storage"]) for one in found if one.get("active"))
    if not names:
        raise NotShownError(f"{ground.target.node} has no storage for backups that the token may see")
    preferred = ground.target.template_storage
    return preferred if preferred in names else names[0]


@contextmanager
def backed_up(ground: Ground, ctid: int, storage: str) -> Iterator[dict[str, Any]]:
    """Give the block an archive of a stopped container, as the storage lists it."""
    before = _archives(ground, ctid, storage)
    how: dict[str, str | int] = {"vmid": ctid, "storage": storage, "mode": "stop", "compress": "gzip", "remove": 0}
    ground.end(ground.ask_if_allowed("POST", f"nodes/{ground.target.node}/vzdump", **how))
    made = [one for volume, one in _archives(ground, ctid, storage).items() if volume not in before]
    assert len(made) == 1, made
    volume = made[0]["volid"]
    with _undone(ground) as undo:
        path = f"nodes/{ground.target.node}/storage/{storage}/content/{volume}"
        undo(lambda: ground.end(ground.ask("DELETE", path)), f"the backup {volume}")
        yield made[0]


def _archives(ground: Ground, ctid: int, storage: str) -> dict[str, dict[str, Any]]:
    path = f"nodes/{ground.target.node}/storage/{storage}/content"
    return {str(one["volid"]): one for one in ground.ask("GET", path, content="backup", vmid=ctid)}


def restore_over(ground: Ground, ctid: int, archive: dict[str, Any], seconds: int) -> str:
    """Begin to restore a stopped container in its place, slowed down to about that long. Returns the UPID."""
    limit = max(1, int(archive["size"]) // _KIB // seconds)
    how: dict[str, str | int] = {"restore": 1, "force": 1, "storage": ground.target.storage, "bwlimit": limit}
    path = f"nodes/{ground.target.node}/lxc"
    return str(ground.ask_if_allowed("POST", path, vmid=ctid, ostemplate=archive["volid"], **how))


@contextmanager
def pool_and_its_token(ground: Ground, pool: str) -> Iterator[Access]:
    """Give the block a pool, and a token that may do everything with guests in it and nothing with others."""
    target = ground.target
    token = f"users/{target.access.user}/token/{pool}"
    with _undone(ground) as undo:
        ground.ask_if_allowed("POST", "pools", poolid=pool, comment="made by phoenix-lxc's conformance run")
        undo(lambda: _drop_pool(ground, pool), f"the pool {pool}")
        secret = ground.ask_if_allowed("POST", f"access/{token}", privsep=1)["value"]
        undo(lambda: ground.ask("DELETE", f"access/{token}"), f"the token {target.access.user}!{pool}")
        for path, roles in {
            f"/pool/{pool}": "PVEVMAdmin,PVEPoolUser",
            f"/nodes/{target.node}": "PVEAuditor",
            f"/storage/{target.storage}": "PVEDatastoreUser",
            f"/sdn/zones/localnetwork/{target.bridge}": "PVESDNUser",
        }.items():
            full = f"{target.access.user}!{pool}"
            ground.ask_if_allowed("PUT", "access/acl", path=path, roles=roles, tokens=full, propagate=1)
        yield Access(target.access.host, target.access.user, pool, secret, ca_file=target.access.ca_file)


def _drop_pool(ground: Ground, pool: str) -> None:
    """Take out what a case that failed has left in it: Proxmox deletes only empty ones."""
    (found,) = ground.ask("GET", "pools", poolid=pool)
    for member in found["members"]:
        ground.ask("PUT", "pools", poolid=pool, vms=member["vmid"], delete=1)
    ground.ask("DELETE", "pools", poolid=pool)


def join(ground: Ground, pool: str, ctid: int) -> None:
    """Make a guest a member of a pool, for as long as there is that pool."""
    ground.ask_if_allowed("PUT", "pools", poolid=pool, vms=ctid)


@contextmanager
def configured(ground: Ground, ctid: int, **keys: str | int) -> Iterator[None]:
    """Have something else in a container's configuration while the block runs; at the end the container goes anyway.

    Proxmox may refuse what it has written all the same, such as an interface whose bridge is not there.
    """
    path = f"nodes/{ground.target.node}/lxc/{ctid}/config"
    try:
        ground.ask_if_allowed("PUT", path, **keys)
    except PermanentError:
        if not keys.keys() <= ground.look(ctid).config.keys():
            raise
    try:
        yield
    finally:
        with suppress(PermanentError, TransientError):
            ground.ask("PUT", path, delete=",".join(keys))


@contextmanager
def _undone(ground: Ground) -> Iterator[Callable[[Callable[[], Any], str], None]]:
    """Give the block a way to say how each thing is undone; what cannot be is remembered as left."""
    with ExitStack() as stack:

        def undo(how: Callable[[], Any], what: str) -> None:
            stack.callback(_try, how, what)

        def _try(how: Callable[[], Any], what: str) -> None:
            try:
                how()
            except (PermanentError, TransientError, AssertionError) as error:
                ground.left.append(f"{what} ({error})")

        yield undo
