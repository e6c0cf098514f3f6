from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509

from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

OS_TEMPLATE = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
NEVER = "600"


class Simulator:
    """What a client knows from the line that the simulator printed."""

    def __init__(self, access: dict[str, str]) -> None:
        self.access = access
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = access["ca_file"]
        token = f"{access['user']}!{access['token_name']}={access['token_value']}"
        self.session.headers["Authorization"] = f"PVEAPIToken={token}"

    def call(self, method: str, path: str, **data: Any) -> Any:
        url = f"{self.access['url']}/api2/json/nodes/{self.access['node']}/{path}"
        answer = self.session.request(method, url, data=data, timeout=60)
        answer.raise_for_status()
        return answer.json()["data"]

    def status(self, upid: str) -> str:
        task = self.call("GET", f"tasks/{upid}/status")
        return str(task.get("exitstatus", task["status"]))

    def finish(self, upid: str) -> None:
        assert wait_for(lambda: (seen := self.status(upid)) != "running" and seen) == "OK"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    directory = tmp_path_factory.mktemp("simulator")
    with ChildProcess(command(directory, "0.01"), log=directory / "log", answers=True) as child:
        found = Simulator(json.loads(child.output.readline()))
        with found.session:
            yield found


def command(directory: Path, quick: str) -> list[str]:
    program = [sys.executable, "-m", "phoenix_worker.commands.demo.simulator", "--directory", str(directory)]
    paces = {"create": quick, "clone": quick, "template": quick, "start": NEVER}
    return program + [word for kind, seconds in paces.items() for word in (f"--{kind}-seconds", seconds)]


def test_a_container_becomes_a_template_and_is_cloned_and_started(simulator: Simulator) -> None:
    simulator.finish(
        simulator.call("POST", "lxc", vmid=900, ostemplate=OS_TEMPLATE, rootfs="local-lvm:8", unprivileged=1)
    )
    assert simulator.call("POST", "lxc/900/template") is None
    wait_for(lambda: simulator.call("GET", "lxc/900/config").get("template"))

    clone = simulator.call("POST", "lxc/900/clone", newid=101, full=1)
    simulator.finish(clone)
    assert ":phoenix@pve!demo:" in clone
    assert simulator.status(simulator.call("POST", "lxc/101/status/start")) == "running"


def test_a_destroyed_container_leaves_no_firewall(simulator: Simulator) -> None:
    order = {"vmid": 102, "ostemplate": OS_TEMPLATE, "rootfs": "local-lvm:8", "unprivileged": 1}
    simulator.finish(simulator.call("POST", "lxc", **order))
    simulator.call("POST", "lxc/102/firewall/rules", type="in", action="DROP", enable=1)
    simulator.call("PUT", "lxc/102/firewall/options", enable=1)
    simulator.finish(simulator.call("DELETE", "lxc/102"))
    simulator.finish(simulator.call("POST", "lxc", **order))
    assert simulator.call("GET", "lxc/102/firewall/rules") == []
    assert not simulator.call("GET", "lxc/102/firewall/options").get("enable")


def test_what_does_not_run_has_no_addresses(simulator: Simulator) -> None:
    order = {"vmid": 104, "ostemplate": OS_TEMPLATE, "rootfs": "local-lvm:8", "unprivileged": 1}
    simulator.finish(simulator.call("POST", "lxc", net0="name=eth0,bridge=vmbr0,ip=dhcp", **order))
    assert simulator.call("GET", "lxc/104/interfaces") is None


def test_the_node_tells_the_time_and_how_long_its_certificate_lasts(simulator: Simulator) -> None:
    asked = time.time()
    assert int(asked) <= simulator.call("GET", "time")["time"] <= time.time()
    trusted = x509.load_pem_x509_certificate(Path(simulator.access["ca_file"]).read_bytes())
    (served,) = simulator.call("GET", "certificates/info")
    assert served["notafter"] == trusted.not_valid_after_utc.timestamp()


def test_the_os_template_and_both_storages_are_there(simulator: Simulator) -> None:
    assert OS_TEMPLATE in [volume["volid"] for volume in simulator.call("GET", "storage/local/content")]
    assert {"local", "local-lvm"} <= {storage["storage"] for storage in simulator.call("GET", "storage")}


def test_a_certificate_that_nobody_vouches_for_is_refused(simulator: Simulator) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{simulator.access['url']}/api2/json/version", timeout=60)


def test_a_wrong_secret_is_refused(simulator: Simulator) -> None:
    headers = {"Authorization": "PVEAPIToken=phoenix@pve!demo=wrong"}
    url = f"{simulator.access['url']}/api2/json/version"
    assert requests.get(url, headers=headers, verify=simulator.access["ca_file"], timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\n", "is empty"),
        (b"\xff\n", "cannot be read (it is not text)"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_without_the_secret_of_the_token_it_does_not_start(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    command = [sys.executable, "-m", "phoenix_worker.commands.demo.simulator", f"--directory={tmp_path}"]
    done = subprocess.run(
        [*command, f"--token-file={file}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{file} {why}")
    assert len(done.stderr.splitlines()) == 1
