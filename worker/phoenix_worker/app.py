"""Where real objects are made: the worker's Celery app, its engine, Proxmox and the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from phoenix_producer.client.connection import with_settings
from phoenix_producer.contract import REFUSE, REQUESTS
from phoenix_worker.actions.abandon import abandon
from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.base import PhoenixTask
from phoenix_worker.catalog.loading import load
from phoenix_worker.catalog.source import CatalogSource
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.durable.engine import Engine
from phoenix_worker.durable.reservations import Reservations
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.local_shell import LocalShell
from phoenix_worker.proxmox.offer_cache import Offering
from phoenix_worker.proxmox.ssh_connection import SshAccess
from phoenix_worker.proxmox.ssh_shell import SshShell
from phoenix_worker.settings import access_of, environ, password_setting, redis_of
from phoenix_worker.settings.defaults import defaults_of
from phoenix_worker.tasks import (  # noqa: F401 - what a worker answers and runs names itself there
    looks,
    migrating,
    nodes,
    upkeep,
)
from phoenix_worker.tasks.ensure import ensure as tasks  # noqa: F401 - what a worker answers and runs names itself there
from phoenix_worker.tasks.registry import TASKS
from phoenix_worker.telemetry import (
    about,  # noqa: F401 - what a worker answers and runs names itself there
    logs,
    metrics,
    traces,
    webhooks,
)

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import NodeShell
    from phoenix_worker.proxmox.translate import Request
    from phoenix_worker.settings import Settings


def build(settings: Settings) -> Celery:
    """Build the worker's app. Nothing is connected or started yet. Raises CatalogError for an unusable catalog."""
    logs.use(settings.log_format, settings.secrets())
    listeners = [logs.log_call]

    def answered(request: Request, status: str, seconds: float) -> None:
        for listener in listeners:
            listener(request, status, seconds)

    proxmox = ProxmoxApi(access_of(settings), on_answer=answered)
    defaults = defaults_of(settings)
    load(settings.catalog, defaults)
    redis_url = redis_of(settings)
    app = Celery("phoenix_worker", set_as_current=False)
    app.conf.update(with_settings(CELERY_SETTINGS, redis_url))
    shell = node_shell(settings)
    probe = Probe(proxmox, shell, settings.patience)
    engine = Engine(
        app,
        redis_url,
        probe,
        ttl=settings.heartbeat_ttl,
        patience=settings.patience,
        public=REQUESTS - {REFUSE},
        password_setting=password_setting(settings),
    )
    catalog = CatalogSource(settings.catalog, defaults)
    tracing = traces.use(environ())
    surroundings = {
        "abstract": True,
        "engine": engine,
        "proxmox": proxmox,
        "offering": Offering(proxmox),
        "reservations": Reservations(engine.ledger),
        "shell": shell,
        "abandon": abandon,
        "catalog": catalog,
        "node_capacity": settings.node_capacity,
        "script_timeout": settings.script_timeout,
    }
    if tracing:
        surroundings["trace_begun"] = staticmethod(tracing.begin)
    base = type("WorkerTask", (PhoenixTask,), surroundings)
    for name, function in TASKS.items():
        app.task(name=name, base=base, bind=True, begins_job=name in REQUESTS)(function)
    engine.attach(app)
    if settings.webhook_url and settings.webhook_secret:
        webhooks.use(app, settings.webhook_url, settings.webhook_secret.get_secret_value(), redis_url)
    if tracing:
        listeners.append(tracing.called)
    if settings.metrics_address:
        meters = metrics.use(app, engine.ledger, settings.metrics_address, catalog.templates)
        listeners.append(meters.count_call)
    return app


def node_shell(settings: Settings) -> NodeShell | None:
    """Build shell access to the nodes; None where there is none. Nothing is connected yet."""
    as_root = ("sudo", "-n", "--") if settings.shell_sudo else ()
    if settings.shell == "local":
        return LocalShell(settings.node, as_root=as_root)
    if settings.shell == "ssh":
        access = SshAccess(
            user=settings.shell_user,
            key_file=settings.shell_key_file,
            known_hosts=settings.shell_known_hosts,
            addresses=settings.shell_addresses,
            at_once=settings.shell_capacity,
        )
        return SshShell(access, as_root=as_root)
    return None
