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

from phoenix_worker.commands.demo.child import ChildProcess
from phoenix_worker.commands.demo.embedded import find_server, free_port
from tests.support.compose_file import ROOT, compose, schema, variables
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO_ENV = ROOT / "deploy" / "demo" / "demo.env"
CLI = """#!{python}
import os, redis
print("PONG" if redis.Redis(port={port}, password=os.environ.get("REDISCLI_AUTH")).ping() else "")
"""
"""`valkey-cli ping` as far as the health check needs it: pip brings the server alone."""


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """The file with the demo's environment."""
    return compose(variables(DEMO_ENV), DEMO_ENV.parent / "compose.yaml")


def test_it_is_a_compose_file(demo: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        validator = jsonschema.Draft201909Validator(schema())
    assert [error.message for error in validator.iter_errors(demo)] == []
    by_ssh = compose({"PHOENIX_PROXMOX_HOST": "pve"}, ROOT / "deploy" / "ssh.compose.yaml")
    assert [error.message for error in validator.iter_errors(by_ssh)] == []
    demo = json.loads(json.dumps(demo))
    demo["services"]["worker"]["helthcheck"] = {}
    assert [error.message for error in validator.iter_errors(demo)], "a wrong key is found"


def test_what_has_no_default_is_asked_for() -> None:
    with pytest.raises(KeyError, match="PHOENIX_PROXMOX_HOST: name or address of a Proxmox node"):
        compose({})
    alone = compose({"PHOENIX_PROXMOX_HOST": "pve"})
    assert "proxmox" not in alone["services"]["worker"]["depends_on"]
    assert list(alone["services"]) == ["redis", "worker", "flower", "http"], "nothing of the demo"
    assert "/demo" not in json.dumps(alone)
    assert alone["services"]["worker"]["env_file"] == [{"path": "./.env", "required": False}]


def test_what_ssh_needs_are_secrets_with_place_and_mode() -> None:
    worker = compose({"PHOENIX_PROXMOX_HOST": "pve"}, ROOT / "deploy" / "ssh.compose.yaml")["services"]["worker"]
    mounted = {f"/run/secrets/{one['target']}": one["mode"] for one in worker["secrets"] if isinstance(one, dict)}
    assert mounted == {"/run/secrets/node_key": 0o400, "/run/secrets/known_hosts": 0o444}
    named = {name: value for name, value in worker["environment"].items() if name.startswith("PHOENIX_SHELL")}
    assert named == {
        "PHOENIX_SHELL": "ssh",
        "PHOENIX_SHELL_KEY_FILE": "/run/secrets/node_key",
        "PHOENIX_SHELL_KNOWN_HOSTS": "/run/secrets/known_hosts",
    }


def test_a_service_is_looked_at_often_while_it_starts(demo: dict[str, Any]) -> None:
    """So that who waits for it to be healthy waits as long as it takes, and not for an interval more."""
    for name, service in demo["services"].items():
        assert service["healthcheck"]["start_interval"] in {"1s", "2s"}, name


def test_the_image_has_what_runs_and_nothing_else() -> None:
    """The Dockerfile is read: dependencies before sources, no pip and no /demo in what workers run in, labels."""
    stages = {name or "production": body for name, body in stages_of((ROOT / "Dockerfile").read_text())}
    assert list(stages) == ["python", "build", "build-demo", "runtime-base", "demo", "production"]
    build = stages["build"]
    assert build.index("install --no-cache-dir -c constraints.txt") < build.index("COPY producer producer")
    assert "--no-deps" in build[build.index("COPY producer producer") :]
    assert "venv --without-pip" in build
    assert "pip uninstall" in stages["runtime-base"]
    for name in ("runtime-base", "production"):
        assert "/demo" not in stages[name], name
        assert "pip install" not in stages[name], name
    for name in ("demo", "production"):
        assert "USER 10001:10001" in stages[name], name
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", stages["runtime-base"]))
    assert labels == {"title", "description", "licenses", "version"}


def stages_of(text: str) -> list[tuple[str, str]]:
    """Each stage's name and instructions, without comments."""
    plain = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    return re.findall(r"^FROM \S+(?: AS (\S+))?\n(.*?)(?=^FROM |\Z)", plain, re.MULTILINE | re.DOTALL)


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
    assert published == {"flower": ["127.0.0.1:5555:5555"], "http": ["127.0.0.1:8420:8420"]}
    assert demo["services"]["redis"]["networks"] == ["inside"]
    assert demo["networks"]["inside"] == {"internal": True}
    assert not [name for name, service in demo["services"].items() if service.get("profiles")]
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
        ports = iter({free_port() for _ in range(20)})  # each once
        self._ports = {name: next(ports) for name in ("redis", "flower", "http", "proxmox", "metrics")}
        for name in ("data", "tmp", "demo", "bin", "tokens"):
            (directory / name).mkdir()
        self._mounts = {
            "/run/secrets": str(ROOT / "deploy" / "demo" / "secrets"),
            "/etc/phoenix": str(ROOT / "deploy" / "demo" / "config"),
            "/data": str(directory / "data"),
            "/var/lib/phoenix": str(directory / "tokens"),
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
        text = text.replace("5555", str(self._ports["flower"])).replace(":8420", f":{self._ports['http']}")
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - it is taken out
        return text.replace("127.0.0.1:9464", "127.0.0.1:0")

    def environ(self, name: str) -> dict[str, str]:
        path = f"{self._directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        service = self._services[name]
        files = [variables(ROOT / one["path"]) for one in service.get("env_file", ())]
        merged = {key: value for source in (*files, service.get("environment", {})) for key, value in source.items()}
        given = {key: self.place(value) for key, value in merged.items()}
        return {"PATH": path, "HOME": str(self._directory / "tmp"), **given}

    def up(self, name: str, *, number: int = 1) -> ChildProcess:
        """Start a service, or one more of it; containers have a host name each."""
        command = [self.place(word) for word in self._services[name]["command"]]
        if name == "redis":
            command[-1] = f"{command[-1].rstrip()} --port {self._ports['redis']} --bind 127.0.0.1\n"
        if name == "http":
            command += ["--port", str(self._ports["http"])]
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

    def ask(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec`: one command more in a service, with its environment."""
        environ = self.environ(name) | {"COLUMNS": "200"}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=120, env=environ, cwd=self._directory / "tmp"
        )

    def log(self, name: str, number: int = 1) -> Path:
        return self._directory / f"{name}{number}.log"

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def down(self) -> None:
        for child in reversed(self._children):
            child.kill()


@pytest.fixture
def stack(demo: dict[str, Any], tmp_path: Path) -> Iterator[Stack]:
    running = Stack(demo, tmp_path)
    yield running
    running.down()


@pytest.mark.long
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

    checked = stack.ask("worker", "phoenix-lxc", "check")
    assert checked.returncode == 0, checked.stdout
    assert "Proxmox privileges: phoenix@pve!demo has all" in checked.stdout
    assert not [line for line in checked.stdout.splitlines() if line.startswith(("error", "warning"))]

    login = ("demo", "demo-login")
    for url in (stack.url("flower") + path for path in ("/", "/metrics", "/api/tasks")):
        assert requests.get(url, timeout=60).status_code == 401, url
    asked = requests.post(
        f"{stack.url('flower')}/api/task/async-apply/phoenix.ensure", json={"args": [103]}, auth=login, timeout=60
    ).json()
    result = f"{stack.url('flower')}/api/task/result/{asked['task-id']}"
    ended = wait_for(lambda: requests.get(result, auth=login, timeout=60).json().get("result"))
    assert isinstance(ended, dict), ended
    assert ended["outcome"] == "created"
    token = stack.ask("http", "phoenix-lxc", "token", "add", "demo", "--role", "operator").stdout.strip()
    stack.up("http")
    wait_for(lambda: stack.healthy("http"))
    assert "<title>phoenix-lxc</title>" in requests.get(stack.url("http"), timeout=60).text
    assert requests.get(f"{stack.url('http')}/v1/jobs", timeout=60).status_code == 401
    url, known = f"{stack.url('http')}/v1/jobs?all=true", {"Authorization": f"Bearer {token}"}
    assert "ensure 103" in {job["what"] for job in requests.get(url, headers=known, timeout=60).json()}
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
