"""A simulated Proxmox VE for the demo: `python -m phoenix_worker.commands.demo.simulator --directory DIR`.

fakepve is AGPL-3.0, so it runs in this process of its own, reached over HTTPS like the real thing, and nothing imports
this module. When it listens it prints one line of JSON: `url`, `ca_file`, `user`, `token_name`, `token_value`, `node`.
It ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from fakepve import FakePve
from fakepve.certs import make_cert
from fakepve.shapes import PRIVILEGES

from phoenix_worker.commands.demo.leases import LEASE_SECONDS, with_leases

HOST = "127.0.0.1"
NODE = "pve1"
BRIDGE = "vmbr0"
USER = "phoenix@pve"
TOKEN_NAME = "demo"  # noqa: S105 - a name, not a secret
OS_TEMPLATE = "ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
_OS_TEMPLATE_BYTES = 140 * 1024**2
_SOME_ADDRESS = "192.0.2.1"
"""Of what an alias stands for: of a network for documents (RFC 5737)."""
_STOP_SECONDS = 0.2
_DESTROY_SECONDS = 0.1


class PacedPve(FakePve):  # type: ignore[misc]  # fakepve publishes no types
    """fakepve with the times of a real node, also for containers that appear later."""

    def __init__(self, *, host: str, port: int, start_seconds: float) -> None:
        super().__init__(password=secrets.token_urlsafe(), host=host, port=port)
        self.time_scale = 1.0
        self.version, self.release_version = "9.2.11", "9.2"
        self.bridges = [BRIDGE]
        """Of every node."""
        self.certificate_ends = 0
        """Seconds since the epoch, of the certificate that is served."""
        self._start_seconds = start_seconds
        self._named: dict[str, dict[str, Any]] = {}
        """By CTID: what a create names itself, which fakepve finds out by the template all the same."""

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> Any:
        self._named[str(v["vmid"])] = {key: v[key] for key in ("ostype", "arch") if v.get(key)}
        return await super()._lxc_create(user, v)

    async def task(self, node: str, ttype: str, tid: object, user: str, body: Any, **options: Any) -> str | None:
        """Start a task. A conversion to a template gives no UPID away, as on a real node."""
        container = self.ct(int(str(tid))) if str(tid).isdigit() else None
        if container is not None:
            container.start_secs = self._start_seconds
            container.stop_secs = container.shutdown_secs = _STOP_SECONDS

        async def named() -> Any:
            done = await body()
            self.ct(int(str(tid))).config.update(self._named.pop(str(tid), {}))
            return done

        upid: str = await super().task(node, ttype, tid, user, named if ttype == "vzcreate" else body, **options)
        return None if ttype == "vztemplate" else upid

    async def _permissions(self, v: dict[str, Any], user: str) -> dict[str, dict[str, int]]:
        """Answer for one path with what is effective there, inherited or not, as a real node does."""
        if v.get("path") is None:
            return dict(await super()._permissions(v, user))
        path, who = str(v["path"]), str(v.get("userid") or user)
        return {path: {privilege: 1 for privilege in sorted(PRIVILEGES) if self.allowed(who, path, privilege)}}

    def _routes_checkup(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/nodes/{node}/network", self._network),
            ("GET", "/nodes/{node}/time", self._time),
            ("GET", "/nodes/{node}/certificates/info", self._certificates),
        ]

    async def _time(self, _v: dict[str, Any], _user: str) -> dict[str, Any]:
        """Answer with the time of this machine, in UTC; fakepve makes one up."""
        now = int(time.time())
        return {"time": now, "localtime": now, "timezone": "UTC"}

    async def _network(self, _v: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return [{"iface": bridge, "type": "bridge", "active": 1} for bridge in self.bridges]

    async def _certificates(self, _v: dict[str, Any], _user: str) -> list[dict[str, Any]]:
        return [{"filename": "pve-ssl.pem", "notafter": self.certificate_ends}]

    async def _lxc_interfaces(self, user: str, v: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Answer with what DHCP and SLAAC have given too; `null` for a container that does not run."""
        lines = await super()._lxc_interfaces(user, v)
        return None if lines is None else with_leases(lines, self.ct(int(v["vmid"])), LEASE_SECONDS)

    def _drop(self, ct: Any) -> None:
        """Remove a container, and its firewall with it, as `pct destroy` does: the next one of that id has none."""
        super()._drop(ct)
        self._fw()["guests"].pop(ct.vmid, None)


def build(options: argparse.Namespace, token_value: str) -> PacedPve:
    """Build nodes with the storages `local`, which holds the OS templates, and `local-lvm`, and what else is named."""
    pve = PacedPve(host=options.host, port=options.port, start_seconds=options.start_seconds)
    pve.ct_secs |= {
        "create": options.create_seconds,
        "clone": options.clone_seconds,
        "template": options.template_seconds,
        "destroy": _DESTROY_SECONDS,
    }
    pve.apitokens[f"{USER}!{TOKEN_NAME}"] = token_value
    for name in dict.fromkeys((OS_TEMPLATE, *options.os_template)):
        pve.store_file("local", name, _OS_TEMPLATE_BYTES, content="vztmpl")
    pve.nodes = {name: {"online": True} for name in options.node or [NODE]}
    pve.bridges = list(dict.fromkeys((BRIDGE, *options.bridge)))
    pve.pools |= {name: set() for name in options.pool}
    for name in options.storage:
        known = pve.storages.get(name, pve.storages["local-lvm"] | {"files": set()})
        pve.storages[name] = known | {"content": f"{known['content']},rootdir"}
    firewall = pve.firewall_config("cluster")
    firewall["groups"] |= {name: [] for name in options.security_group}
    firewall["ipset"] |= {name: [] for name in options.ip_set}
    firewall["aliases"] |= {name: {"name": name, "cidr": _SOME_ADDRESS} for name in options.alias}
    for ctid in options.guest:
        pve.add_vm(ctid, f"guest-{ctid}", node=next(iter(pve.nodes)), status="running")
    return pve


def _end_of(certificate: str) -> int:
    loaded = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    return int(loaded.not_valid_after_utc.timestamp())


def token_in(file: Path) -> str:
    """Read the token's secret. Raises SystemExit where there is none: everybody would have the token."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:  # not UTF-8
        why = getattr(error, "strerror", None) or "it is not text"
        raise SystemExit(f"{file} cannot be read ({why}).") from None
    if not token:
        raise SystemExit(f"{file} is empty: it has to hold the token's secret.")
    return token


async def serve(options: argparse.Namespace) -> None:
    """Listen, say where, and wait for a signal to end."""
    token_value = token_in(options.token_file) if options.token_file else secrets.token_urlsafe()
    pve = build(options, token_value)
    certificate, key, _ = make_cert(str(options.directory), hosts=(options.host, options.name))
    pve.certificate_ends = _end_of(certificate)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await pve.start(certificate, key)
    access = {
        "url": pve.url,
        "ca_file": certificate,
        "user": USER,
        "token_name": TOKEN_NAME,
        "token_value": "" if options.token_file else token_value,
        "node": next(iter(pve.nodes)),
    }
    print(json.dumps(access), flush=True)  # noqa: T201 - the answer to whoever started this process
    await ended.wait()
    await pve.stop()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A simulated Proxmox VE on loopback.")
    parser.add_argument("--host", default=HOST, help="the address to listen on (default %(default)s)")
    parser.add_argument("--name", default=HOST, help="one more name for the certificate")
    parser.add_argument(
        "--token-file", type=Path, help="holds the token's secret; by default one is made up and printed"
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--directory", type=Path, required=True, help="where the certificate is written")
    parser.add_argument("--os-template", action="append", default=[], help="file name of one more on `local`")
    parser.add_argument("--node", action="append", default=[], help=f"name of a node, in the place of {NODE}")
    for kind in ("bridge", "pool", "storage", "security group", "IP set", "alias"):
        flag = f"--{kind.lower().replace(' ', '-')}"
        parser.add_argument(flag, action="append", default=[], help=f"name of one more {kind}")
    parser.add_argument("--guest", action="append", default=[], type=int, help="id of a VM that runs")
    for name, seconds in (("create", 1.5), ("clone", 2.0), ("start", 1.0), ("template", 0.04)):
        parser.add_argument(f"--{name}-seconds", type=float, default=seconds, help="(default %(default)s)")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
