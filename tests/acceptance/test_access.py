"""Who can log in: keys and password are in the order that makes a container, or set in it; the secret shows nowhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.acceptance.scenes import done, failure_of, refused
from tests.acceptance.test_converging import redeclare
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.ssh_node import SshNode, ssh_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.support.product import Product

__all__ = ["ssh_node"]

KEY, OTHER = "ssh-ed25519 AAAA ann@example.org", "ssh-rsa AAAAB3Nz ben@example.org"
_ENOUGH = "that is enough"
SECRET = "correct-horse-battery"
ANN: dict[str, Any] = {"ssh_public_keys": [KEY], "password": {"env": "ROOTS"}}


def overheard(redis: Redis, act: Callable[[], None]) -> str:
    """All that was said to Redis meanwhile, what scripts of ours do there included."""
    said: list[str] = []
    with redis.monitor() as monitor:  # type: ignore[no-untyped-call] # redis-py's

        def listen() -> None:
            for one in monitor.listen():
                said.append(one["command"])
                if _ENOUGH in said[-1]:
                    return

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        act()
        redis.echo(_ENOUGH)
        listening.join(60)
    return "\n".join(said)


def test_a_new_container_is_created_with_them_without_shell_access_and_a_clone_needs_it(product: Product) -> None:
    entry = container(103, None, template=OS_TEMPLATE, state="stopped", **ANN)
    product.declare({103: entry, 900: template(), 104: container(104, **ANN)})
    product.start_worker(ROOTS=SECRET)
    result = product.ensure(103)
    assert (done(result), result.not_applied, result.needs_rebuild) == ([("create", 103)], (), ())
    (order,) = product.simulator.pve.creates
    assert (order["ssh-public-keys"].split("\n"), order["password"]) == ([KEY, ""], SECRET)
    assert product.ensure(103).outcome == "unchanged"

    redeclare(product, 103, ssh_public_keys=[OTHER])
    (why,) = product.ensure(103).needs_rebuild
    assert "its ssh_public_keys is not what the catalog declares, and after its creation that needs shell access" in why

    failure = failure_of(product.producer.ensure(104))
    assert "ssh_public_keys, password need shell access" in failure.message
    told = product.ensure(104, accept_not_applied=True).not_applied
    assert [line.partition(":")[0] for line in told] == ["ssh_public_keys", "password"]


def test_they_are_set_in_clones_and_after_changes_and_the_secret_shows_nowhere(
    product: Product, ssh_node: SshNode, redis_client: Redis
) -> None:
    (product.catalog.parent / "keys.pub").write_text(f"# staff\n{KEY}\n")
    product.declare({900: template(**ANN), 104: container(104, ssh_public_keys="keys.pub", password=ANN["password"])})
    worker = product.start_worker(ROOTS=SECRET, **ssh_node.environ())

    def everything() -> None:
        result = product.ensure(104)
        made = [("create", 900), ("seal", 900), ("clone", 104), ("configure", 104), ("start", 104), ("provision", 104)]
        assert done(result) == made
        assert product.ensure(104).outcome == "unchanged"
        (product.catalog.parent / "keys.pub").write_text(f"{OTHER}\n")
        assert done(product.ensure(104)) == [("configure", 104), ("provision", 104)], "for other keys"

    said = overheard(redis_client, everything)
    assert "phoenix.provision" in said
    root = ssh_node.root(104)
    keys = (root / ".ssh" / "authorized_keys").read_text().splitlines()
    assert [line for line in keys if not line.startswith("#")] == [OTHER]
    assert (root / "chpasswd").read_text() == f"root:{SECRET}"
    (order,) = product.simulator.pve.creates
    assert order["password"] == SECRET
    where = {
        "what Redis was told": said,
        "the log": worker.log(),
        "the commands on the node": "\n".join(ssh_node.commands),
        "the process list": (root / "processes").read_text(),
        "the notes": product.config(104)["description"] + product.config(900)["description"],
        "what the script left": "".join(
            path.read_text() for path in root.rglob("*") if path.is_file() and path.name != "chpasswd"
        ),
    }
    assert [place for place, text in where.items() if SECRET in text] == []


def test_a_secret_that_is_not_there_is_told_before_anything_is_made(product: Product, ssh_node: SshNode) -> None:
    product.declare({900: template(), 103: container(103, password={"file": "roots"})})
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 103)
    assert (failure.cause, "there is no file roots of the worker" in failure.message) == ("secret-missing", True)
    (product.catalog.parent / "roots").write_text("tiny\n")
    assert "fewer than 5 characters" in refused(product, 103).message
    assert product.writes() == []
    (product.catalog.parent / "roots").write_text(f"{SECRET}\n")
    assert product.ensure(103).outcome == "created"
    assert (ssh_node.root(103) / "chpasswd").read_text() == f"root:{SECRET}"


def test_a_file_of_keys_that_is_not_there_is_told_to_who_asks_and_to_who_depends_on_it(product: Product) -> None:
    entry = container(103, None, template=OS_TEMPLATE, ssh_public_keys="staff.pub")
    needing = container(104, None, template=OS_TEMPLATE, dependencies=[103])
    product.declare({103: entry, 104: needing})
    product.start_worker()
    failure = refused(product, 103, accept_not_applied=True)
    assert (failure.cause, failure.ctid) == ("script-missing", 103)
    assert "staff.pub not found beside the worker's catalog" in failure.message
    failure = refused(product, 104, accept_not_applied=True)
    assert (failure.cause, "staff.pub not found" in failure.message) == ("dependency", True)
