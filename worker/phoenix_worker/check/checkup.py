"""Read everything that a worker depends on, and say what is right and wrong with it. Changes nothing."""

from __future__ import annotations

import shlex
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
from phoenix_producer.client.redis_words import words_of
from phoenix_producer.client.secret_files import REDIS_PASSWORD_VARIABLE
from phoenix_producer.ledger.takers import takers
from phoenix_worker.app import node_shell
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.loading import Catalog, load
from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.check.env_file import secrets_in
from phoenix_worker.check.proxmox_lines import proxmox_lines
from phoenix_worker.check.redis_facts import redis_facts
from phoenix_worker.check.troubles import or_trouble
from phoenix_worker.core.checkup import redis, shell, workers
from phoenix_worker.core.checkup.line import Line, counted, error, fine, listed, warning
from phoenix_worker.core.planned.prediction import unmade
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.proxmox.forced_command import commands_for, foreseen
from phoenix_worker.settings import ENV_FILE, password_setting, redis_of
from phoenix_worker.settings.defaults import defaults_of
from phoenix_worker.settings.values import named_nodes
from phoenix_worker.telemetry import about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.findings import Finding, Refusal
    from phoenix_worker.core.model.ports import NodeShell
    from phoenix_worker.settings import Settings

_PATIENCE_S = 5.0
_NO_REDIS = "Does a Redis answer there, of a supported version, and nothing in its place?"


def check_all(settings: Settings, *, accepted: bool = False) -> Iterator[Line]:
    """Check the catalog, Redis, the workers, Proxmox and the nodes' shells; each line as soon as it is known.

    What would need shell access where there is none is an error, unless it is `accepted` that it is not applied.
    """
    yield _settings()
    catalog, lines = _catalog(settings)
    yield from lines
    yield from or_trouble("Redis", partial(_redis, settings, catalog), _NO_REDIS)
    copies: list[Declaration] = []
    yield from or_trouble("Proxmox", partial(proxmox_lines, settings, catalog or Catalog({}), copies))
    yield from _shell(settings, catalog or Catalog({}), copies, accepted=accepted)


def _settings() -> Line:
    """Say who else may read the secrets that were just read."""
    file = Path(ENV_FILE)
    if file.exists() and file.stat().st_mode & stat.S_IROTH and (secrets := secrets_in(file)):
        what = f"everybody on this machine may read {ENV_FILE}, which has {listed(secrets)}"
        return warning("Settings", what, f"chmod o-rwx {shlex.quote(str(file.resolve()))}")
    return fine("Settings", "read")


def _catalog(settings: Settings) -> tuple[Catalog | None, list[Line]]:
    defaults = defaults_of(settings)
    try:
        catalog = load(settings.catalog, defaults)
    except CatalogError as refused:
        return None, [error("Catalog", _about(one.ctid, one.problem), one.remedy) for one in refused.refusals]
    containers = len(catalog.containers())
    what = f"{counted(containers, 'container')}, {counted(len(catalog) - containers, 'template')}"
    lines = [fine("Catalog", f"{settings.catalog}: {what}")]
    lacking = _missing_scripts(settings)
    told = {str(one) for one in lacking}
    said: list[tuple[Callable[[str, str, str], Line], Finding]] = [(error, one) for one in lacking]
    said += [(warning, one) for one in catalog.warnings if str(one) not in told]
    lines += [say("Catalog", _about(one.ctid, one.problem), one.remedy) for say, one in said]
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
            alive = client.zrangebyscore(f"{PREFIX}workers", float(seconds) - 2 * settings.heartbeat_ttl, "+inf")
            taken = takers(alive, client.hgetall(f"{PREFIX}queues"))
        except AuthenticationError as refused:
            yield error("Redis", f"refuses the login ({refused})", _login_remedy(settings, url))
            return
        except RedisError as trouble:
            why = words_of(str(trouble))
            yield error("Redis", f"{place_of(url).shown()} cannot be used: {why}", redis.remedy_of(why))
            return
    yield fine("Redis", f"{place_of(url).shown()} answers")
    yield from redis.judge(facts)
    if not facts.forbidden:
        said = _ask_workers(url, len(alive)) if alive else []
        here = catalog.hash if catalog is not None else ""
        yield from workers.judge_workers(len(alive), said, version=version(about.DISTRIBUTION), catalog=here)
        yield from workers.judge_queues(taken) if alive else ()


def _login_remedy(settings: Settings, url: str) -> str:
    if place_of(url).password is None:
        return f"Set {REDIS_PASSWORD_VARIABLE}."
    return f"Correct the password in {password_setting(settings)}."


def _ask_workers(url: str, alive: int) -> list[workers.WorkerFacts]:
    app = Celery("phoenix_check", set_as_current=False)
    app.conf.update(with_settings(CELERY_SETTINGS, url))
    with app.connection_for_write() as connection:
        return about.ask(app, connection, at_most=alive, seconds=_PATIENCE_S)


def _shell(settings: Settings, catalog: Catalog, copies: Sequence[Declaration], *, accepted: bool) -> Iterator[Line]:
    access = node_shell(settings)
    if access is None:
        yield from shell.judge_need(catalog, accepted=accepted)
        return
    nodes = {node for one in catalog.values() for node in (one.node, *one.nodes)} or {*named_nodes(settings.node)}
    rebuilt = (catalog.scratch_of(copy) for copy in copies)
    besides = [*catalog.scratches(), *copies, *(one for one in rebuilt if one is not None)]
    for node in sorted(nodes - {"", ANY_NODE}):
        yield from or_trouble(f"Shell access to {node}", partial(_probe, access, node, catalog, besides))


def _probe(
    access: NodeShell, node: str, catalog: Mapping[int, Declaration], besides: Iterable[Declaration]
) -> Iterator[Line]:
    yield shell.judge_probe(node, access.run(node, shell.PROBE))
    every = (*catalog.values(), *besides)
    declared = [one.standing_on(node) for one in every if one.node == node or one.may_be_on(node)]
    commands = [command for one in declared for command in commands_for(one, unmade(one))]
    if commands:
        yield from shell.judge_forbidden(node, foreseen(access, node, commands))
