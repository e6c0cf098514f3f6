"""Settings of shell access and of certificates: `check` names the wrong one, and nothing once it is right."""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from tests.integration.test_check import lines, prepared
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.tls import TlsFront

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.product import Product

__all__ = ["prepared", "ssh_node"]
pytestmark = pytest.mark.long

SUDO = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nAS_ROOT=1 exec "$@"\n'
PCT_OF_ROOT = '#!/bin/sh\n[ "$AS_ROOT" ] || { echo "please run as root" >&2; exit 13; }\n'


def remedies() -> str:
    return " ".join(line["remedy"] for line in lines(1) if line["level"] == "error")


def in_order() -> bool:
    return {line["about"] for line in lines(0)} == {"Workers"}


@pytest.mark.parametrize("setting", ["PHOENIX_SHELL", "PHOENIX_SHELL_KEY_FILE", "PHOENIX_SHELL_ADDRESSES"])
def test_a_setting_of_shell_access(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ssh_node: SshNode, setting: str
) -> None:
    prepared.declare({900: template(900), 103: container(103, lxc_options=["lxc.mount.auto:sys:rw"])})
    ssh_node.door = None
    other = tmp_path / "other_key"
    other.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    other.chmod(0o600)
    wrong = {
        "PHOENIX_SHELL": "",
        "PHOENIX_SHELL_KEY_FILE": str(other),
        "PHOENIX_SHELL_ADDRESSES": f"{NODE}=127.0.0.1:{prepared.redis_url.rpartition(':')[2].partition('/')[0]}",
    }
    for name, value in ssh_node.environ().items():
        monkeypatch.setenv(name, wrong[name] if name == setting else value)
    if setting == "PHOENIX_SHELL":
        for name in ssh_node.environ():
            monkeypatch.delenv(name)
    assert setting in remedies()
    for name, value in ssh_node.environ().items():
        monkeypatch.setenv(name, value)
    assert in_order()


def test_a_user_who_is_not_root(prepared: Product, monkeypatch: pytest.MonkeyPatch, ssh_node: SshNode) -> None:
    """One remedy names both: it is followed in PHOENIX_SHELL_SUDO."""
    assert prepared.catalog
    ssh_node.door = None
    programs = ssh_node.key_file.parent / "bin"
    for name, content in (("sudo", SUDO), ("pct", PCT_OF_ROOT)):
        (programs / name).write_text(content)
        (programs / name).chmod(0o755)
    for name, value in ssh_node.environ().items():
        monkeypatch.setenv(name, value)
    said = remedies()
    assert "PHOENIX_SHELL_USER" in said
    assert "PHOENIX_SHELL_SUDO=true" in said
    monkeypatch.setenv("PHOENIX_SHELL_SUDO", "true")
    assert in_order()


def test_the_ca_of_proxmox(prepared: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    right = prepared.environ()["PHOENIX_PROXMOX_CA_FILE"]
    monkeypatch.delenv("PHOENIX_PROXMOX_CA_FILE")
    assert "Set PHOENIX_PROXMOX_CA_FILE to a file with the cluster's CA certificate" in remedies()
    monkeypatch.setenv("PHOENIX_PROXMOX_CA_FILE", right)
    assert in_order()


def test_the_fingerprint_of_proxmox(prepared: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = Path(prepared.environ()["PHOENIX_PROXMOX_CA_FILE"]).read_text()
    monkeypatch.delenv("PHOENIX_PROXMOX_CA_FILE")
    monkeypatch.setenv("PHOENIX_PROXMOX_FINGERPRINT", "0" * 64)
    assert "shows the new fingerprint for PHOENIX_PROXMOX_FINGERPRINT" in remedies()
    monkeypatch.setenv("PHOENIX_PROXMOX_FINGERPRINT", sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest())
    assert in_order()


def test_the_ca_of_redis(prepared: Product, monkeypatch: pytest.MonkeyPatch, redis_client: Redis) -> None:
    assert prepared.catalog
    with TlsFront(int(redis_client.get_connection_kwargs()["port"])) as front:
        monkeypatch.setenv("PHOENIX_REDIS_URL", f"rediss://127.0.0.1:{front.port}/0")
        assert "Set PHOENIX_REDIS_CA_FILE to the CA" in remedies()
        monkeypatch.setenv("PHOENIX_REDIS_CA_FILE", front.ca_file)
        assert in_order()
