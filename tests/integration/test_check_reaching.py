"""`phoenix-lxc check` against what answers in Proxmox's place: wrong certificates, no TLS, answers of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_check import found, lines, prepared
from tests.support.certificates import LOOPBACK, certificate, serving
from tests.support.cli import invoke
from tests.support.product import container, template

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product

__all__ = ["prepared"]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("made", "text", "remedy"),
    [
        ({"starts": -30, "ends": -1}, "certificate has expired", "pvecm updatecerts --force"),
        ({"starts": 1}, "not yet valid", "timedatectl set-ntp true"),
        ({"address": "127.9.9.9"}, "mismatch", "PHOENIX_PROXMOX_HOST to a name or address"),
    ],
)
def test_each_fault_of_a_certificate_has_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: dict[str, Any], text: str, remedy: str
) -> None:
    file = certificate(tmp_path, **made)
    with serving(file) as port:
        monkeypatch.setenv("PHOENIX_PROXMOX_HOST", f"{LOOPBACK}:{port}")
        monkeypatch.setenv("PHOENIX_PROXMOX_CA_FILE", str(file))
        told, advised = found("error", "Proxmox")
    assert text in told
    assert remedy in advised
    assert "PHOENIX_PROXMOX_CA_FILE" not in advised


@pytest.mark.usefixtures("prepared")
def test_another_certificate_than_the_pinned_one_is_told_with_where_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOENIX_PROXMOX_CA_FILE")
    monkeypatch.setenv("PHOENIX_PROXMOX_FINGERPRINT", ":".join(["AB"] * 32))
    text, advised = found("error", "Proxmox")
    assert "Fingerprints did not match" in text
    assert "`pvenode cert info` on the node" in advised
    assert "another host answers in its place" in advised


@pytest.mark.usefixtures("prepared")
def test_a_port_without_tls_is_told_from_a_wrong_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(None) as port:
        monkeypatch.setenv("PHOENIX_PROXMOX_HOST", f"{LOOPBACK}:{port}")
        _, advised = found("error", "Proxmox")
    assert "does not speak TLS" in advised
    assert "8006" in advised
    assert "PHOENIX_PROXMOX_CA_FILE" not in advised


FOREIGN = [
    '{"data": null}',
    '{"data": []}',
    '{"data": "9.2"}',
    '{"data": {}}',
    '{"data": {"version": null}}',
    '{"data": {"version": ["9"]}}',
    '{"data": {"version": "soon"}}',
    '{"data": {"version": {}}}',
    "[]",
    "{}",
    "",
    "null",
    "[" * 100_000,
    "<html>log in</html>",
]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("body", FOREIGN, ids=[body[:32] or "empty" for body in FOREIGN])
def test_what_is_not_proxmox_is_told_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    file = certificate(tmp_path)
    with serving(file, body, "text/html" if body.startswith("<") else "application/json") as port:
        monkeypatch.setenv("PHOENIX_PROXMOX_HOST", f"{LOOPBACK}:{port}")
        monkeypatch.setenv("PHOENIX_PROXMOX_CA_FILE", str(file))
        said = lines(1)
    (line,) = [line for line in said if line["about"].startswith("Proxmox")]
    assert "no proxy in between" in line["remedy"], line


LISTS = ("nodes", "network", "storage", "aplinfo", "info", "status", "content")
OBJECTS = ("time", "permissions")
_NO_LISTS: tuple[object, ...] = (None, {"a": 1}, [None])
_NO_OBJECTS: tuple[object, ...] = (None, [], "soon")
WRONG: list[tuple[str, object]] = [(suffix, data) for suffix in LISTS for data in _NO_LISTS]
WRONG += [(suffix, data) for suffix in OBJECTS for data in _NO_OBJECTS]


@pytest.mark.parametrize(("suffix", "data"), WRONG, ids=[f"{suffix} {json.dumps(data)}" for suffix, data in WRONG])
def test_any_answer_of_another_shape_is_told_and_not_a_traceback(prepared: Product, suffix: str, data: object) -> None:
    """Whatever a call answers instead, what can be said of the rest is said."""
    prepared.simulator.set(prepared.simulator.pve, foreign=(suffix, data))
    done = invoke("check", "--json")
    assert isinstance(done.exception, SystemExit | None), done.exception
    said = json.loads(done.stdout)["lines"]
    assert [line["about"] for line in said if "not as documented" in line["text"]], said


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"starts": -30, "ends": -1}, "Renew the certificate of Redis"),
        ({"starts": 1}, "timedatectl set-ntp true"),
        ({"address": "127.9.9.9"}, "a name in the certificate"),
        (None, "redis://"),
    ],
)
def test_each_fault_of_the_tls_of_redis_has_its_own_remedy(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: dict[str, Any] | None, words: str
) -> None:
    assert prepared.catalog
    file = None if made is None else certificate(tmp_path, **made)
    with serving(file) as port:
        monkeypatch.setenv("PHOENIX_REDIS_URL", f"rediss://{LOOPBACK}:{port}/0")
        monkeypatch.setenv("PHOENIX_REDIS_CA_FILE", str(file or certificate(tmp_path)))
        _, advised = found("error", "Redis")
    assert words in advised
    assert "PHOENIX_REDIS_CA_FILE" not in advised


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_is_no_redis_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, tls: bool) -> None:
    with serving(certificate(tmp_path) if tls else None) as port:
        monkeypatch.setenv("PHOENIX_REDIS_URL", f"redis://{LOOPBACK}:{port}/0")
        _, advised = found("error", "Redis")
    assert "Is it a Redis?" in advised


def test_numbers_that_come_as_words_are_numbers(prepared: Product) -> None:
    """As Perl sends them when they were printed before."""
    prepared.simulator.set(prepared.simulator.pve, numbers_as_words=True)
    assert [line["about"] for line in lines(0)] == ["Workers"]
    prepared.simulator.do(prepared.simulator.pve.storages["local-lvm"].update, active=0)
    prepared.simulator.do(prepared.simulator.pve.lose_quorum)
    assert {line["about"] for line in lines(1)} >= {"Storage local-lvm on pve1", "Proxmox quorum"}


def test_keys_that_this_proxmox_is_too_old_for_are_found(prepared: Product) -> None:
    """With every CTID that declares them; without shell access a device is not applied, and so not foreseen."""
    image = {"template": "oci://docker.io/library/app:1.2", "devices": [{"path": "/dev/kvm"}]}
    prepared.declare({ctid: container(ctid, None, **image, entrypoint="/app") for ctid in (103, 104)})
    prepared.simulator.set(prepared.simulator.pve, version="8.1.4")
    said = [line for line in lines(1) if line["about"] == "Proxmox version"]
    assert [line["text"] for line in said] == [
        f"{key} of CT 103, 104 needs Proxmox VE 9.1, and this is 8.1.4" for key in ("entrypoint", "template oci://")
    ]
    assert said[0]["remedy"] == "Upgrade Proxmox VE, or remove entrypoint from the catalog."
    prepared.simulator.set(prepared.simulator.pve, version="9.1.0")
    assert not [line for line in lines(1) if line["about"] == "Proxmox version"]


@pytest.mark.usefixtures("prepared")
def test_a_node_that_hangs_is_told_and_the_others_are_checked(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.declare({900: template(900), 103: container(103), 104: container(104, node="pve2")})
    product.simulator.do(product.simulator.pve.cut, "pve2", noticed=False)
    monkeypatch.setenv("PHOENIX_PROXMOX_TIMEOUT", "1")
    told = json.loads(invoke("check", "--json").stdout)["lines"]
    wrong = {line["about"]: line for line in told if line["level"] == "error"}
    assert "pve2 did not answer in 1 s" in wrong["Node pve2"]["text"]
    assert "may still run" in wrong["Node pve2"]["remedy"]
    assert "Bridge vmbr0 on pve1" in {line["about"] for line in told if line["level"] == "ok"}
