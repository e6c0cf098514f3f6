"""Read everything that a worker depends on, and say what is right and wrong with it. Changes nothing."""

from __future__ import annotations

import stat
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from celery import Celery
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from phoenix_producer.client.connection import redis_client, with_settings
from phoenix_producer.client.record import PREFIX
from phoenix_producer.client.redis_url import place_of
from phoenix_worker.app import node_shell
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.loading import Catalog, load
from phoenix_worker.check.redis_facts import redis_facts
from phoenix_worker.core.checkup import cluster, privileges, redis, shell, workers
from phoenix_worker.core.checkup.line import Line, error, fine, listed, warning
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.inspection import Inspection
from phoenix_worker.settings import ENV_FILE, access_of, defaults_of, redis_of
from phoenix_worker.telemetry import about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.findings import Finding, Refusal
    from phoenix_worker.core.model.ports import NodeShell
    from phoenix_worker.settings import Settings

_PATIENCE_S = 5.0
_TROUBLE = (TransientError, PermanentError)
_DEFECTIVE = (KeyError, TypeError, ValueError, AttributeError)
"""What reading an answer raises that lacks a field, or has something else in its place."""


def check_all(settings: Settings) -> Iterator[Line]:
    """Check the catalog, Redis, the workers, Proxmox and the nodes' shells; each line as soon as it is known."""
    yield _settings()
    catalog, lines = _catalog(settings)
    yield from lines
    yield from _redis(settings, catalog)
    yield from _proxmox(settings, catalog or Catalog({}))
    yield from _shell(settings, catalog or Catalog({}))


def _settings() -> Line:
    """Say who else may read what was just read."""
    file = Path(ENV_FILE)
    if file.exists() and file.stat().st_mode & stat.S_IROTH:
        return warning("Settings", f"everybody on this machine may read {ENV_FILE}", f"chmod o-rwx {file.resolve()}")
    return fine("Settings", "read")


def _catalog(settings: Settings) -> tuple[Catalog | None, list[Line]]:
    defaults = defaults_of(settings)
    try:
        catalog = load(settings.catalog, defaults)
    except CatalogError as refused:
        return None, [error("Catalog", _about(one.ctid, one.problem), one.remedy) for one in refused.refusals]
    containers = len(catalog.containers())
    lines = [fine("Catalog", f"{settings.catalog}: {containers} containers, {len(catalog) - containers} templates")]
    lacking = _missing_scripts(settings)
    told = {str(one) for one in lacking}
    said: list[tuple[Callable[[str, str, str], Line], Finding]] = [(error, one) for one in lacking]
    said += [(warning, one) for one in catalog.warnings if str(one) not in told]
    lines += [say("Catalog", _about(one.ctid, one.problem), one.remedy) for say, one in said]
    left_out = [declaration.ctid for declaration in catalog.values() if declaration.not_applied]
    if left_out:
        what = f"some keys of CT {listed(left_out)} are not applied"
        lines.append(warning("Catalog", what, "phoenix-lxc plan --all names them."))
    return catalog, lines


def _missing_scripts(settings: Settings) -> tuple[Refusal, ...]:
    """Name the scripts that are not beside a catalog which is good but for them."""
    try:
        load(settings.catalog, defaults_of(settings), require_scripts=True)
    except CatalogError as refused:
        return refused.refusals
    return ()


def _about(ctid: object, problem: str) -> str:
    return problem if ctid is None else f"CT {ctid}: {problem}"


def _redis(settings: Settings, catalog: Catalog | None) -> Iterator[Line]:
    url = redis_of(settings)
    once = Retry(NoBackoff(), 0)
    with redis_client(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S, retry=once) as client:
        try:
            facts = redis_facts(client, url)
            seconds, _ = client.time()
            alive = int(client.zcount(f"{PREFIX}workers", float(seconds) - 2 * settings.heartbeat_ttl, "+inf"))
        except AuthenticationError as refused:
            yield error("Redis", f"refuses the login ({refused})", "Correct the password in PHOENIX_REDIS_URL.")
            return
        except RedisError as trouble:
            remedy = "Check that Redis runs there; the address comes from PHOENIX_REDIS_URL."
            if "certificate" in str(trouble):
                remedy = (
                    "Set PHOENIX_REDIS_CA_FILE to the CA's file, and PHOENIX_REDIS_URL to a name in the certificate."
                )
            yield error("Redis", f"{place_of(url).shown()} cannot be used: {str(trouble).rstrip('.')}", remedy)
            return
    yield fine("Redis", f"{place_of(url).shown()} answers")
    yield from redis.judge(facts)
    if not facts.forbidden:
        said = _ask_workers(url, alive) if alive else []
        here = catalog.hash if catalog is not None else ""
        yield from workers.judge_workers(alive, said, version=version(about.DISTRIBUTION), catalog=here)


def _ask_workers(url: str, alive: int) -> list[workers.WorkerFacts]:
    app = Celery("phoenix_check", set_as_current=False)
    app.conf.update(with_settings(CELERY_SETTINGS, url))
    with app.connection_for_write() as connection:
        return about.ask(app, connection, at_most=alive, seconds=_PATIENCE_S)


def _proxmox(settings: Settings, catalog: Catalog) -> Iterator[Line]:
    inspection = Inspection(ProxmoxApi(access_of(settings)))
    try:
        told = inspection.version()
    except _TROUBLE as trouble:
        yield error("Proxmox", trouble.message, trouble.remedy)
        return
    yield fine("Proxmox", f"{settings.proxmox_host} answers, its certificate is verified, the token is accepted")
    yield cluster.judge_version(told)
    yield from _or_trouble("Proxmox quorum", partial(_quorum, inspection))
    yield from _or_trouble("Proxmox nodes", partial(_nodes, settings, inspection, catalog))


def _quorum(inspection: Inspection) -> Iterator[Line]:
    try:
        yield cluster.judge_quorum(quorate=inspection.quorate())
    except PermanentError as refused:
        if refused.cause != PERMISSION:
            raise
        what = "unknown: the token lacks a privilege, so workers delete and convert containers without checking it"
        yield warning("Proxmox quorum", what, refused.remedy)


def _nodes(settings: Settings, inspection: Inspection, catalog: Catalog) -> Iterator[Line]:
    by_node: dict[str, dict[int, Declaration]] = {} if catalog else {settings.node: {}}
    for ctid, declaration in catalog.items():
        by_node.setdefault(declaration.node, {})[ctid] = declaration
    online = inspection.nodes()
    yield from cluster.judge_nodes({node: list(ctids) for node, ctids in by_node.items()}, online)
    absent: set[str] = set()
    for node in sorted(by_node):
        if online.get(node):
            look = partial(_node, inspection, node, by_node[node], catalog, absent)
            yield from _or_trouble(f"Node {node}", look)
    yield from _or_trouble("Proxmox privileges", partial(_privileges, settings, inspection, catalog, absent))


def _node(
    inspection: Inspection, node: str, declared: dict[int, Declaration], catalog: Catalog, absent: set[str]
) -> Iterator[Line]:
    volumes = (declaration.os_template for declaration in declared.values())
    facts = inspection.node(node, sorted({volume.partition(":")[0] for volume in volumes if volume is not None}))
    absent |= cluster.absent_os_templates(facts, declared).keys()
    yield from cluster.judge_node(facts, declared, catalog)


def _privileges(settings: Settings, inspection: Inspection, catalog: Catalog, absent: set[str]) -> Iterator[Line]:
    wanted = privileges.needs(catalog, absent)
    held = {path: inspection.privileges(path) for path in privileges.paths(wanted)}
    user = settings.proxmox_user
    yield from privileges.judge_privileges(wanted, held, user, f"{user}!{settings.proxmox_token_name}")


def _shell(settings: Settings, catalog: Catalog) -> Iterator[Line]:
    access = node_shell(settings)
    if access is None:
        yield from shell.judge_need(catalog)
        return
    for node in sorted({declaration.node for declaration in catalog.values()} or {settings.node}):
        yield from _or_trouble(f"Shell access to {node}", partial(_probe, access, node))


def _probe(access: NodeShell, node: str) -> Iterator[Line]:
    yield shell.judge_probe(node, access.run(node, shell.PROBE))


def _or_trouble(about_what: str, lines: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """Say what could not be read, and go on with the rest."""
    try:
        yield from lines()
    except _TROUBLE as trouble:
        yield error(about_what, trouble.message, trouble.remedy)
    except _DEFECTIVE as defect:
        what = f"the answer is not as documented ({type(defect).__name__}: {defect}); the rest of it was not checked"
        yield error(
            about_what, what, "Check that PHOENIX_PROXMOX_HOST is a Proxmox VE 8 or 9, with no proxy in between."
        )
