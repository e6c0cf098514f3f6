"""Run the baselines against a site's simulator and time them as whole processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.site import worker
from tests.support.proxmox import NODE
from tests.support.strict_pve import SECRET, TOKEN, USER
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.site import Site

_TOOLS = Path(sys.executable).parent
ANSIBLE = shutil.which("ansible-playbook", path=f"{_TOOLS}{os.pathsep}{os.environ.get('PATH', '')}")
"""Where Ansible is, if it is installed; it is not part of any extra of ours but `ansible`."""


def script(site: Site, source: int, ctids: Sequence[int]) -> float:
    """Seconds that the plain script takes."""
    return _time(site, [sys.executable, "-m", "tests.benchmarks.baselines.script"], _environ(site, source, ctids))


def retrying(site: Site, source: int, ctids: Sequence[int]) -> float:
    """Seconds that Celery with a polled lock and retries takes; its worker is up before."""
    environ = _environ(site, source, ctids)
    with worker("tests.benchmarks.baselines.retrying", site.directory, environ, "retrying"):
        return _time(site, [sys.executable, "-m", "tests.benchmarks.baselines.retrying"], environ)


def ansible(site: Site, source: int, ctids: Sequence[int]) -> float:
    """Seconds that a playbook takes."""
    if ANSIBLE is None:
        raise FileNotFoundError("ansible-playbook")
    # Its module takes a container's name from `/cluster/resources`, and fails while that lags behind.
    site.product.simulator.set(site.product.simulator.pve, resources_lag=False)
    host, _, port = site.product.simulator.host.partition(":")
    told = {
        "host": host,
        "https_port": port,
        "user": USER,
        "token": TOKEN,
        "node": NODE,
        "source": str(source),
        "ctids": ",".join(map(str, ctids)),
        "ansible_python_interpreter": sys.executable,
    }
    extra = [word for name, value in told.items() for word in ("-e", f"{name}={value}")]
    playbook = Path(__file__).parent / "baselines" / "playbook.yml"
    environ = _environ(site, source, ctids) | {
        "BASE_SECRET": SECRET,
        "REQUESTS_CA_BUNDLE": site.product.simulator.ca_file,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOME": str(site.directory / "ansible"),
    }
    return _time(site, [ANSIBLE, "-i", "localhost,", *extra, str(playbook)], environ)


def _environ(site: Site, source: int, ctids: Sequence[int]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return inherited | {
        "BASE_HOST": site.product.simulator.host,
        "BASE_CA": site.product.simulator.ca_file,
        "BASE_NODE": NODE,
        "BASE_SOURCE": str(source),
        "BASE_CTIDS": ",".join(map(str, ctids)),
        "BASE_REDIS": site.product.redis_url,
    }


def _time(site: Site, command: list[str], environ: dict[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{command[-1]} failed ({site.directory}):\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return took
