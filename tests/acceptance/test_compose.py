"""compose.yaml against the Compose specification, and its commands, health checks and environments as processes.

No container engine is used: what an engine adds (images, users, limits, networks, mounts) is read, not run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests
import yaml

from phoenix_worker.commands.demo.child import ChildProcess
from phoenix_worker.commands.demo.embedded import find_server
from tests.support.publishing import closed_port
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "tests" / "data" / "compose-spec.json"
DEMO_ENV = ROOT / "deploy" / "demo" / "demo.env"
CLI = """#!{python}
import os, redis
print("PONG" if redis.Redis(port={port}, password=os.environ.get("REDISCLI_AUTH")).ping() else "")
"""
"""`valkey-cli ping` as far as the health check needs it: pip brings the server alone."""


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """Fill in variables as Compose does. Raises KeyError with what a required one is for."""

    def fill(found: re.Match[str]) -> str:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        if environ.get(name):
            return environ[name]
        if kind == ":?":
            raise KeyError(f"{name}: {rest}")
        return str(rest or "")

    filled = re.sub(r"(?<!\$)\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<rest>[^}]*)\}", fill, text)
    return filled.replace("$$", "$")


def compose(environ: Mapping[str, str]) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(interpolated((ROOT / "compose.yaml").read_text(), environ))
    return read


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """The file with the demo's environment."""
    lines = [line for line in DEMO_ENV.read_text().splitlines() if line and not line.startswith("#")]
    return compose(dict(line.split("=", 1) for line in lines))


def test_it_is_a_compose_file(demo: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        validator = jsonschema.Draft201909Validator(schema)
    assert [error.message for error in validator.iter_errors(demo)] == []
    demo = json.loads(json.dumps(demo))
    demo["services"]["worker"]["helthcheck"] = {}
    assert [error.message for error in validator.iter_errors(demo)], "a wrong key is found"


def test_what_has_no_default_is_asked_for() -> None:
    with pytest.raises(KeyError, match="PHOENIX_PROXMOX_HOST: name or address of a Proxmox node"):
        compose({})
    assert "proxmox" not in compose({"PHOENIX_PROXMOX_HOST": "pve"})["services"]["worker"]["depends_on"]


def test_every_service_is_shut_in(demo: dict[str, Any]) -> None:
    for name, service in demo["services"].items():
        assert service["read_only"] is True, name
        assert service["user"].split(":")[0] not in {"0", "root"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert re.search(r":\d+\.\d+\.\d+", service["image"]), f"{name}: an exact version"
        assert "container_name" not in service, "or --scale could not be"
    published = {name: service["ports"] for name, service in demo["services"].items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:5555:5555"]}
    assert demo["services"]["redis"]["networks"] == ["inside"]
    assert demo["networks"]["inside"] == {"internal": True}
    assert [name for name, service in demo["services"].items() if service.get("profiles")] == ["proxmox"]
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+", stages[0])
    assert not [stage for stage in stages[1:] if ":" in stage], "one base image, in an exact version"


def test_no_secret_is_in_the_file_or_in_an_environment(demo: dict[str, Any]) -> None:
    kept = [Path(ROOT, secret["file"]).read_text().strip() for secret in demo["secrets"].values()]
    assert len(kept) == 3
    for secret in kept:
        assert secret not in json.dumps(demo)


class Stack:
    """The services as processes, each with its command, environment and health check as they stand in the file.

    Replaced are the paths of mounts, names of services and ports: an engine would give each a network of its own.
    """

    def __init__(self, file: dict[str, Any], directory: Path) -> None:
        self._services, self._directory = file["services"], directory
        self._ports = {name: closed_port() for name in ("redis", "flower", "proxmox", "metrics")}
        for name in ("data", "tmp", "demo", "bin"):
            (directory / name).mkdir()
        self._mounts = {
            "/run/secrets": str(ROOT / "deploy" / "demo" / "secrets"),
            "/etc/phoenix": str(ROOT / "deploy" / "demo" / "config"),
            "/data": str(directory / "data"),
            "/tmp/": f"{directory / 'tmp'}/",  # noqa: S108 - the container's
            "/demo": str(directory / "demo"),
        }
        (directory / "bin" / "valkey-server").symlink_to(find_server())
        cli = directory / "bin" / "valkey-cli"
        cli.write_text(CLI.format(python=sys.executable, port=self._ports["redis"]))
        cli.chmod(0o755)
        self._children: list[ChildProcess] = []

    def place(self, text: str) -> str:
        """Put what is the container's where it is here."""
        containers = "|".join(map(re.escape, self._mounts))
        text = re.sub(rf"(?<![\w/])(?:{containers})", lambda found: self._mounts[found[0]], text)
        text = re.sub(r"\bredis:6379\b", f"127.0.0.1:{self._ports['redis']}", text)
        text = re.sub(r"\bproxmox:8006\b", f"127.0.0.1:{self._ports['proxmox']}", text)
        text = text.replace("--port=8006", f"--port={self._ports['proxmox']}")
        text = text.replace("'127.0.0.1', 8006", f"'127.0.0.1', {self._ports['proxmox']}")
        text = text.replace("5555", str(self._ports["flower"]))
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - it is taken out
        return text.replace("127.0.0.1:9464", "127.0.0.1:0")

    def environ(self, name: str) -> dict[str, str]:
        path = f"{self._directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {key: self.place(value) for key, value in self._services[name].get("environment", {}).items()}
        return {"PATH": path, "HOME": str(self._directory / "tmp"), **given}

    def up(self, name: str, *, number: int = 1) -> ChildProcess:
        """Start a service, or one more of it; containers have a host name each."""
        command = [self.place(word) for word in self._services[name]["command"]]
        if name == "redis":
            command[-1] = f"{command[-1].rstrip()} --port {self._ports['redis']} --bind 127.0.0.1\n"
        command = [word.replace("%h", f"host{number}") for word in command]
        child = ChildProcess(
            command, log=self.log(name, number), environ=self.environ(name), directory=self._directory / "tmp"
        )
        self._children.append(child)
        return child

    def healthy(self, name: str, *, number: int = 1) -> bool:
        """Run the service's health check once."""
        kind, *test = [self.place(word) for word in self._services[name]["healthcheck"]["test"]]
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        command = [word.replace("$(hostname)", f"host{number}") for word in command]
        done = subprocess.run(command, check=False, capture_output=True, timeout=120, env=self.environ(name))
        return done.returncode == 0

    def log(self, name: str, number: int = 1) -> Path:
        return self._directory / f"{name}{number}.log"

    @property
    def flower(self) -> str:
        return f"http://127.0.0.1:{self._ports['flower']}"

    def down(self) -> None:
        for child in reversed(self._children):
            child.kill()


@pytest.fixture
def stack(demo: dict[str, Any], tmp_path: Path) -> Iterator[Stack]:
    running = Stack(demo, tmp_path)
    yield running
    running.down()


def test_the_services_run_as_the_file_says(stack: Stack) -> None:
    assert not stack.healthy("redis"), "a health check that cannot fail is none"
    redis = stack.up("redis")
    wait_for(lambda: stack.healthy("redis"))
    assert "demo-redis-password" not in Path(f"/proc/{redis.pid}/cmdline").read_text()
    stack.up("proxmox")
    wait_for(lambda: stack.healthy("proxmox"))
    workers = [stack.up("worker", number=number) for number in (1, 2)]
    stack.up("flower")
    wait_for(lambda: stack.healthy("flower"))
    for number in (1, 2):
        wait_for(lambda number=number: stack.healthy("worker", number=number))  # type: ignore[misc] # a default
    assert not stack.healthy("worker", number=3), "it asks that very worker"

    login = ("demo", "demo-login")
    for path in ("/", "/metrics", "/api/tasks"):
        assert requests.get(stack.flower + path, timeout=30).status_code == 401, path
    asked = requests.post(
        f"{stack.flower}/api/task/async-apply/phoenix.ensure", json={"args": [103]}, auth=login, timeout=30
    ).json()
    result = f"{stack.flower}/api/task/result/{asked['task-id']}"
    ended = wait_for(lambda: requests.get(result, auth=login, timeout=30).json().get("result"))
    assert isinstance(ended, dict), ended
    assert ended["outcome"] == "created"
    logs = "".join(path.read_text() for path in stack.log("worker").parent.glob("*.log"))
    for secret in ("demo-redis-password", "demo-0000-token", "demo-login"):
        assert secret not in logs
    for worker in workers:
        os.kill(worker.pid, 15)
        assert worker.wait(60) == 0, "`docker compose stop` ends it in order"


def test_the_name_of_a_worker_is_that_of_its_container() -> None:
    """The health check says `hostname`, Celery `%h`: the same."""
    hostname = shutil.which("hostname")
    assert hostname is not None
    assert subprocess.run([hostname], check=True, capture_output=True, text=True).stdout.strip() == socket.gethostname()
