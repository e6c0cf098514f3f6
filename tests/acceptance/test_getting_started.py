"""docs/getting-started.md from its first command to its last, in one shell, as a user with an empty home.

Paths of the system are moved into a folder of the user's. Proxmox is simulated, behind TLS, and its node takes SSH;
what speaks to a node's root or to systemd is written down instead. The package is installed as the page says, so this
asks PyPI.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from phoenix_worker.commands.demo.embedded import free_port
from tests.acceptance.test_docs import blocks
from tests.support.product import OS_TEMPLATE, add_os_template
from tests.support.proxmox import NODE, SECRET
from tests.support.ssh_node import USER as SSH_USER
from tests.support.ssh_node import SshNode
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.proxmox import Simulator

PAGE = ROOT / "docs" / "getting-started.md"
NOBODY = 65534
OF_THE_INDEX = re.compile(r"PIP_.*|SSL_CERT_.*|(https?|all|no)_proxy", re.IGNORECASE)
WRITTEN_DOWN = ("pveum", "systemctl", "systemd-sysusers", "runuser")
SHIM = '#!/bin/sh\necho "$(basename "$0") $*" >>"$HOME/written_down"\n'
FLOWER_ANSWERS = """
import base64, sys, time, urllib.error, urllib.request
def code(**headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        time.sleep(0.1)
        return code(**headers)
login = "Basic " + base64.b64encode(b"USER:PASSWORD").decode()
print("Flower:", code(), code(Authorization=login))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """The user's own, where others than root can come too."""
    with tempfile.TemporaryDirectory(prefix="getting-started-") as name:
        yield Path(name)


class NewUser:
    """Whoever follows the page: what is there at the beginning, and the page as one script."""

    def __init__(self, folder: Path, redis_port: int, simulator: Simulator, node: SshNode) -> None:
        self._folder = folder
        self._redis_port = redis_port
        self._flower_port = free_port()
        self._simulator = simulator
        self._node = node
        self.home = folder / "home"
        self._lay_out()

    def _lay_out(self) -> None:
        for name in ("home", "bin", "opt", "etc/systemd/system", "etc/sysusers.d"):
            (self._folder / name).mkdir(parents=True)
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, tracked.stdout.split("\0")):
            into = self.home / "phoenix-lxc" / name
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, into)
        shutil.copy(self._simulator.ca_file, self.home / "pve-root-ca.pem")
        shutil.copy(self._node.key_file, self.home / "key_of_the_node")
        shutil.copy(self._node.known_hosts, self.home / "keys_of_the_node")
        programs = dict.fromkeys(WRITTEN_DOWN, SHIM)
        # The node knows one key from the start.
        programs["ssh-copy-id"] = '#!/bin/sh\ncp "$HOME/key_of_the_node" "${2%.pub}"\n'
        programs["ssh-keyscan"] = '#!/bin/sh\ncat "$HOME/keys_of_the_node"\n'
        for name, content in programs.items():
            (self._folder / "bin" / name).write_text(content)
            (self._folder / "bin" / name).chmod(0o755)

    def script(self) -> str:
        """Return the page's blocks in their order, each command said before it runs."""
        lines = ["set -e", "cd", 'trap "kill \\$(jobs -p) 2>/dev/null; wait" EXIT']
        for language, content in blocks(PAGE):
            lines += self._block(language, content)
        return "\n".join(lines) + "\n"

    def _block(self, language: str, content: str) -> list[str]:
        if language == "sh":
            return [word for line in content.splitlines() for word in self._command(line)]
        if language == "json":
            (settings,) = (text for _, text in blocks(ROOT / "README.md") if text.startswith("PHOENIX_REDIS_URL="))
            catalog = re.sub(r"local:vztmpl/[^\"]*", OS_TEMPLATE, content)
            return [
                f"export PATH={self._folder}/opt/phoenix/bin:$PATH",
                f"cp ~/pve-root-ca.pem {self._folder}/etc/phoenix/",
                self._file(".env", settings, ">"),
                f"chmod 600 {self._folder}/etc/phoenix/.env",
                self._file("phoenix_lxc_configs.json", catalog, ">"),
            ]
        if content.startswith("PHOENIX_PROXMOX_TOKEN_VALUE_FILE"):
            env = f"{self._folder}/etc/phoenix/.env"
            return [f"sed -i '/TOKEN_VALUE=/d; /REDIS_URL=/d' {env}", self._file(".env", content, ">>")]
        if content.startswith("PHOENIX_SHELL="):
            more = f"PHOENIX_SHELL_ADDRESSES={NODE}=127.0.0.1:{self._node.port}\nPHOENIX_SHELL_USER={SSH_USER}\n"
            with_shell = [
                "kill %1",
                "wait %1 || true",
                f"cd {self._folder}/etc/phoenix",
                *self._command("phoenix-lxc worker"),
            ]
            return [self._file(".env", content + more, ">>"), *with_shell, *self._command("phoenix-lxc check")]
        assert language in {"", "ini"}, content
        return []

    def _command(self, line: str) -> list[str]:
        command = self._here(re.sub(r"\s+#\s.*$", "", line).removeprefix("git clone … phoenix-lxc && "))
        said = f"echo {shlex.quote('$ ' + line)}"
        if command == "phoenix-lxc worker":
            command += " >>~/worker.log 2>&1 &"
        elif command.startswith("celery "):
            probe = f"python3 -c {shlex.quote(FLOWER_ANSWERS)} http://127.0.0.1:{self._flower_port}/"
            redis_url = f"redis://:PASSWORD@127.0.0.1:{self._redis_port}/0"
            command = (
                f"PHOENIX_REDIS_URL={redis_url} {command} --port={self._flower_port} >~/flower.log 2>&1 &\n{probe}"
            )
        elif pasted := re.fullmatch(r"cat >(\w+)", command):
            secret = {"proxmox_token": SECRET, "redis_password": "PASSWORD", "flower_login": "USER:PASSWORD"}[pasted[1]]
            command = f"echo {secret} | {command}"
        return [said, command]

    def _file(self, name: str, content: str, how: str) -> str:
        return f"cat {how}{self._folder}/etc/phoenix/{name} <<'END'\n{self._here(content)}END"

    def _here(self, text: str) -> str:
        """Name what is there instead of what the page has."""
        for pattern, place in (
            (r"(?<![\w.])/(etc|opt)/", rf"{self._folder}/\1/"),
            (r"(127\.0\.0\.1|redis\.example):6379", f"127.0.0.1:{self._redis_port}"),
            (r"pve1\.example:8006", self._simulator.host),
            (r"TOKEN_VALUE=…", f"TOKEN_VALUE={SECRET}"),
        ):
            text = re.sub(pattern, place, text, flags=re.MULTILINE)
        return text

    def follow(self) -> tuple[int, str]:
        """Run the script; returns how it ended, and all that was printed. As nobody, where root runs the tests."""
        whom = NOBODY if os.geteuid() == 0 else None
        if whom:
            subprocess.run(["chown", "-R", f"{whom}:{whom}", str(self._folder)], check=True)
        environ = {name: value for name, value in os.environ.items() if OF_THE_INDEX.fullmatch(name)}
        path = f"{self._folder}/bin:{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
        environ |= {"HOME": str(self.home), "PATH": path, "PHOENIX_HEARTBEAT_TTL": "1"}
        shell = subprocess.Popen(
            ["bash", "-c", self.script()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
            env=environ,
            process_group=0,
            user=whom,
            group=whom,
            extra_groups=[] if whom else None,
        )
        try:
            printed, _ = shell.communicate(timeout=500)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()
        return shell.returncode, printed


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_page_works_from_its_first_command_to_its_last(
    folder: Path, tmp_path: Path, redis_server: RedisServer, simulator: Simulator
) -> None:
    add_os_template(simulator)
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "PASSWORD")
    with SshNode(tmp_path / "node", simulator) as node:
        user = NewUser(folder, redis_server.port, simulator, node)
        code, printed = user.follow()
    log = user.home / "worker.log"
    assert code == 0, printed + (log.read_text() if log.exists() else "")
    answers = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", printed, re.MULTILINE)
    first, second = (answer for command, answer in answers if command == "phoenix-lxc ensure 103")
    assert "created" in first
    assert "unchanged" in second
    before, with_shell = (answer for command, answer in answers if command == "phoenix-lxc check")
    warnings = re.findall(r"^(?:error|warning) +([\w ]+):", before, re.MULTILINE)
    assert warnings == ["Workers"], before
    assert re.search(r"^ok +Shell access", with_shell, re.MULTILINE), with_shell
    assert "Flower: 401 200" in printed
    assert node.connected
    assert "systemctl enable --now phoenix-worker" in (user.home / "written_down").read_text()
    assert (
        f"ExecStart={folder}/opt/phoenix/bin/phoenix-lxc worker"
        in (folder / "etc/systemd/system/phoenix-worker.service").read_text()
    )
