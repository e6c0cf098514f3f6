"""`phoenix-lxc demo` as a user runs it: what it shows, how it ends, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

QUICK = "--clone-seconds=0.1"
_SETTINGS = ("PHOENIX_", "REDIS_URL")
_OF_A_SERVICE = {"BROKER_URL": "redis://127.0.0.1:2/0", "CONFIG_MODULE": "of_a_service", "LOADER": "of_a_service"}
"""What the caller's environment may have for another app: the command `celery` reads all of these."""
_SECONDS = 500.0
"""For a demo, most of which are processes that start: a machine under load takes minutes."""
pytestmark = pytest.mark.timeout(600)


class Demo:
    """One run, with a TMPDIR of its own."""

    def __init__(self, directory: Path) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self._output = directory / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str, **environ: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [os.path.relpath(Path(sys.executable).parent / "phoenix-lxc"), "demo", *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **_OF_A_SERVICE, "TMPDIR": str(self.temporary), **environ},
                process_group=0,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def output(self) -> str:
        return self._output.read_text()

    def run(self, *flags: str, **environ: str) -> int:
        self.start(*flags, **environ)
        return self.process.wait(_SECONDS)

    def interrupt(self, after: str) -> int:
        """Ctrl-C, to the whole foreground group as a terminal sends it, once the output has the text."""
        wait_for(lambda: after in self.output or self.process.poll() is not None, _SECONDS)
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(_SECONDS)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would who looks around in the demo's directory."""
        url = next(word for word in self.output.split() if word.startswith("PHOENIX_REDIS_URL="))
        return subprocess.run(
            [Path(sys.executable).parent / "phoenix-lxc", *arguments],
            cwd=self.directory(),
            env={**os.environ, "PHOENIX_REDIS_URL": url.partition("=")[2], "COLUMNS": "200"},
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def kill(self, command: str) -> None:
        """Kill the demo's processes with this in their command line."""
        for process in Path("/proc").glob("[0-9]*"):
            line = process.joinpath("cmdline").read_bytes() if process.exists() else b""
            if command in line.replace(b"\0", b" ").decode() and process.joinpath("cwd").resolve() == self.directory():
                os.kill(int(process.name), signal.SIGKILL)

    def directory(self) -> Path:
        return next(self.temporary.iterdir())

    def left(self) -> list[str]:
        """Files in its TMPDIR, and processes that name a file there or in whose environment it is."""
        files = [str(path) for path in self.temporary.iterdir()]
        return files + [line for line in _processes() if str(self.temporary) in line]


def _processes() -> Iterator[str]:
    """Command line and environment of every process. Elsewhere than on Linux the files alone have to do."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield "".join((process / name).read_text(errors="replace") for name in ("cmdline", "environ"))
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.process.kill()
    demo.process.wait()


def test_it_shows_what_it_promises_and_leaves_nothing(demo: Demo) -> None:
    assert demo.run(QUICK) == 0, demo.output
    exists = demo.output.partition("What Proxmox holds now")[2].partition("When what was done")[0]
    rows = {words[0]: words[1:] for line in exists.splitlines()[2:] if (words := line.split())}
    assert rows["900"][:4] == ["Copy-Base", "template", "ubuntu-24.04-standard", "template"]
    assert rows["901"][:4] == ["Copy-Cuda", "template", "900", "template"]
    assert rows["801"][:5] == ["embedding", "container", "901", "(linked)", "running"]
    assert {"101", "103"} < rows.keys()
    left_out = "features (101, 103, 900, 901), health_check (103)."
    assert f"Left out of the example, because the simulated node has no shell: {left_out}" in exists
    assert "not applied" not in exists
    timeline = demo.output.partition("When what was done")[2]
    bars = {line.partition("█")[0].strip() for line in timeline.splitlines() if "█" in line}
    assert {"create 900", "seal 900", "clone 900 → 103", "clone 900 → 901", "clone 901 → 801", "start 101"} < bars
    assert "Clones of 900, one at a time" in timeline
    assert "103 unchanged, 101 unchanged, 801 unchanged" in timeline
    assert demo.left() == []


def test_ctrl_c_in_the_middle_leaves_nothing(demo: Demo) -> None:
    demo.start("--clone-seconds=30")
    assert demo.interrupt(after="Proxmox task vzcreate 900") == 130
    assert "nothing is left behind" in demo.output
    assert "Traceback" not in demo.output
    assert demo.left() == []


def test_a_broken_catalog_is_refused_before_anything_starts(demo: Demo, tmp_path: Path) -> None:
    catalog = tmp_path / "broken.json"
    catalog.write_text('{"lxc_configs": {"103": {"name": "no_underscores", "clone_from_ctid": "900"}}}')
    assert demo.run("--catalog", str(catalog)) == 2
    assert "refused: CT 103:" in demo.output
    assert "broken.json cannot be used; nothing was started." in demo.output
    assert demo.left() == []


def test_what_cannot_be_ensured_is_told_with_the_end_of_the_worker_s_log(demo: Demo, tmp_path: Path) -> None:
    catalog = tmp_path / "nowhere.json"
    catalog.write_text('{"lxc_configs": {"103": {"name": "ca", "template": "nas:vztmpl/absent.tar.zst"}}}')
    assert demo.run(QUICK, "--catalog", str(catalog)) == 1
    assert "The demo failed: 103 was not ensured." in demo.output
    assert "The end of worker.log:" in demo.output
    assert "Traceback" not in demo.output.partition("The end of worker.log:")[0]
    assert demo.left() == []


def test_the_first_catalog_of_a_new_user_runs(demo: Demo, tmp_path: Path) -> None:
    """That of docs/getting-started.md: the node has the OS templates that the catalog names."""
    page = (ROOT / "docs" / "getting-started.md").read_text()
    (content,) = [block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "lxc_configs" in block]
    catalog = tmp_path / "first.json"
    catalog.write_text(content)
    assert demo.run(QUICK, "--catalog", str(catalog)) == 0, demo.output
    assert "103 unchanged" in demo.output
    assert demo.left() == []


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the process in /proc")
def test_a_part_that_ends_by_itself_ends_the_demo(demo: Demo) -> None:
    demo.start("--clone-seconds=30")
    wait_for(lambda: "Proxmox task vzcreate 900" in demo.output, 60)
    for process in Path("/proc").glob("[0-9]*"):
        command = process.joinpath("cmdline").read_text(errors="replace") if process.exists() else ""
        if "phoenix_worker.commands.demo.simulator" in command and str(demo.directory()) in command:
            os.kill(int(process.name), signal.SIGKILL)
    assert demo.process.wait(_SECONDS) == 1
    assert "The demo failed: The simulated Proxmox ended by itself." in demo.output
    assert demo.left() == []


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the worker in /proc")
def test_keep_shows_the_page_flower_and_a_whole_product_and_ends_well_with_ctrl_c(demo: Demo) -> None:
    demo.start(QUICK, "--keep")
    wait_for(lambda: "one worker more:" in demo.output or demo.process.poll() is not None, 180)
    address = re.search(r"Page: (http://127\.0\.0\.1:\d+/) \(open it and watch\)", demo.output)
    assert address is not None, demo.output
    assert demo.output.index("Page: ") < demo.output.index("Redis: "), "its address comes first"
    with urllib.request.urlopen(address[1], timeout=60) as page:  # noqa: S310 - http on loopback
        assert b"phoenix-lxc" in page.read()
    checked = demo.ask("check")
    assert "beside the catalog" not in checked.stdout
    assert "not as documented" not in checked.stdout
    assert (checked.returncode, checked.stderr.split(" OK")[0][:22]) == (0, "0 errors, 0 warnings, "), checked.stdout
    printed = re.search(r"cd (\S+)\n +(\S+) check\n", demo.output)
    assert printed is not None, demo.output
    assert Path(printed[1]) == demo.directory()
    assert Path(printed[2]).is_absolute(), "it is run in another directory"
    assert demo.ask("drift", "--exit-code").stdout == "Nothing that exists differs from the catalog.\n"
    assert demo.ask("plan", "--all", "--exit-code").returncode == 0
    assert "outdated" not in demo.ask("status").stdout
    assert _asked_by_flower(demo) == "unchanged"
    demo.kill("phoenix_worker worker")
    wait_for(lambda: "it ended by itself and is started again" in demo.output or demo.process.poll() is not None, 180)
    rebuilt = demo.ask("rebuild", "900")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert demo.interrupt(after="one worker more:") == 0
    assert "Flower: http://127.0.0.1:" in demo.output
    assert "Traceback" not in demo.output
    assert demo.left() == []


def _asked_by_flower(demo: Demo) -> str:
    """The outcome of the request of docs/messages.md, at the address and with the login that the demo prints."""
    told = re.search(r"Flower: (\S+) \(its login, for its API too: (\S+):(\S+)\)", demo.output)
    assert told is not None, demo.output
    url, login = told[1], (told[2], told[3])
    assert requests.post(f"{url}/api/task/async-apply/phoenix.ensure", json={}, timeout=60).status_code == 401
    asked = requests.post(
        f"{url}/api/task/async-apply/phoenix.ensure", json={"args": [103]}, auth=login, timeout=60
    ).json()
    result = f"{url}/api/task/result/{asked['task-id']}"
    return str(wait_for(lambda: requests.get(result, auth=login, timeout=60).json().get("result"))["outcome"])


@pytest.mark.long
def test_a_given_redis_is_left_as_empty_as_it_was(demo: Demo, redis_client: Redis, redis_url: str) -> None:
    assert demo.run(QUICK, REDIS_URL=redis_url) == 0, demo.output
    assert "(REDIS_URL)" in demo.output
    assert redis_client.keys() == []
    assert demo.left() == []


def test_a_given_redis_that_holds_anything_is_not_touched(demo: Demo, redis_client: Redis, redis_url: str) -> None:
    redis_client.set("phoenix:seq", "7")
    assert demo.run(QUICK, REDIS_URL=redis_url) == 2
    assert "wants an empty one" in demo.output
    assert redis_client.get("phoenix:seq") == "7"
    assert demo.left() == []
