"""What `needs_rebuild` says to do is done as it is printed, and then there is nothing more to say."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from phoenix_producer.cli import upkeep_commands
from phoenix_producer.cli.phoenix_lxc import app
from tests.acceptance.test_rebuilding import SCRATCH
from tests.acceptance.test_volumes import volume
from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product

Entries = dict[int, dict[str, Any]]
OTHER_OS = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
BIG, DATA = {"storage_size_gb": 16}, "/srv/data"
KEPT = {"is_template": True}
"""A template that nothing is cloned from."""


def disk(mount_point: str = DATA, size_gb: int = 2, pool: str = "local-lvm") -> dict[str, Any]:
    return {"volumes": [volume(mount_point, size_gb, pool)]}


def root(ctid: int, **more: Any) -> dict[str, Any]:
    return container(ctid, None, **{"template": OS_TEMPLATE, **more})


def again(ctid: int, *first: str) -> list[str]:
    return [*first, f"destroy {ctid}", f"ensure {ctid}"]


CAUSES: dict[str, tuple[int, Entries, Entries, list[str]]] = {
    "a disk too large": (103, {103: container(103, **BIG)}, {103: container(103)}, again(103)),
    "a disk too large, of a template with the same": (
        104,
        {901: template(901, **BIG), 104: container(104, 901, **BIG)},
        {901: template(901), 104: container(104, 901)},
        again(104, "rebuild 901"),
    ),
    "a disk too large, of a template of a template with the same": (
        105,
        {902: template(902, **BIG), 903: container(903, 902, **BIG), 105: container(105, 903, **BIG)},
        {902: template(902), 903: container(903, 902), 105: container(105, 903)},
        again(105, "rebuild 902 903"),
    ),
    "a disk too large, of a linked clone": (
        106,
        {904: template(904, **BIG), 106: container(106, 904, clone="linked", **BIG)},
        {904: template(904), 106: container(106, 904, clone="linked")},
        ["destroy 106", "rebuild 904", "ensure 106"],
    ),
    "a template's disk too large": (
        907, {907: template(907, **KEPT, **BIG)}, {907: template(907, **KEPT)}, ["rebuild 907"],
    ),
    "a template's disk too small": (
        908, {908: template(908, **KEPT)}, {908: template(908, **KEPT, **BIG)}, ["rebuild 908"],
    ),
    "a template's disk too large, of a template with the same": (
        910,
        {909: template(909, **BIG), 910: container(910, 909, **KEPT, **BIG)},
        {909: template(909), 910: container(910, 909, **KEPT)},
        ["rebuild 909 910"],
    ),
    "another storage": (107, {107: container(107)}, {107: container(107, storage_pool="local-zfs")}, again(107)),
    "another storage of a linked clone": (
        108,
        {905: template(905), 108: container(108, 905, clone="linked")},
        {ctid: made | {"storage_pool": "local-zfs"} for ctid, made in (
            (905, template(905)), (108, container(108, 905, clone="linked")),
        )},
        ["destroy 108", "rebuild 905", "ensure 108"],
    ),
    "another template": (109, {109: container(109)}, {109: container(109, 901)}, again(109)),
    "another OS template": (110, {110: root(110)}, {110: root(110, template=OTHER_OS)}, again(110)),
    "a full clone instead of a linked one": (
        111, {111: container(111, clone="linked")}, {111: container(111)}, again(111),
    ),
    "privileged": (112, {112: root(112, unprivileged=True)}, {112: root(112, unprivileged=False)}, again(112)),
    "a volume too large": (113, {113: container(113, **disk(size_gb=4))}, {113: container(113, **disk())}, again(113)),
    "a volume too large, of a template with the same": (
        114,
        {906: template(906, **disk(size_gb=4)), 114: container(114, 906)},
        {906: template(906, **disk()), 114: container(114, 906, **disk())},
        again(114, "rebuild 906"),
    ),
    "a volume on another storage": (
        115, {115: container(115, **disk())}, {115: container(115, **disk(pool="local-zfs"))}, again(115),
    ),
    "a mount that would hide another": (
        116, {116: root(116, **disk())}, {116: root(116, volumes=[*disk("/srv")["volumes"], *disk()["volumes"]])},
        again(116),
    ),
}  # fmt: skip


def commands_in(told: tuple[str, ...]) -> list[str]:
    return re.findall(r"`phoenix-lxc ([^`]+)`", " ".join(told))


def type_in(product: Product, command: str) -> None:
    """Run it as it is printed, and confirm."""
    verb, *ctids = shlex.split(command)
    done = CliRunner().invoke(app, ["--redis-url", product.redis_url, verb, *ctids], input="\n".join(ctids) + "\n")
    assert done.exit_code == 0, (command, done.output)


@pytest.mark.long
def test_each_remedy_removes_its_complaint(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_commands, "somebody_is_there", lambda: True)
    before, after = ({900: template()} for _ in "ab")
    for _, old, new, _ in CAUSES.values():
        before |= old
        after |= new
    product.declare(before)
    product.start_worker(**SCRATCH)
    first = product.producer.ensure_many([ctid for ctid, *_ in CAUSES.values()]).wait(timeout=120)
    assert {one.needs_rebuild for one in first} == {()}
    product.declare(after)
    for cause, (ctid, _, _, commands) in CAUSES.items():
        told = product.ensure(ctid).needs_rebuild
        assert told, cause
        assert commands_in(told) == commands, (cause, told)
        assert product.producer.plan(ctid).wait(timeout=60).needs_rebuild == told, cause
        (drift,) = product.producer.drift([ctid]).wait(timeout=60)
        assert drift.needs_rebuild == told, cause
        assert commands_in(drift.outdated) in ([], commands), cause
        for command in commands:
            type_in(product, command)
        assert product.ensure(ctid).needs_rebuild == (), cause
        (drift,) = product.producer.drift([ctid]).wait(timeout=60)
        assert not drift.differs, (cause, drift)


def test_what_no_command_brings_about_asks_for_another_declaration(product: Product) -> None:
    """And a container that is as declared costs no look at its template."""
    product.declare({900: template(**disk()), 103: container(103, **disk("/srv")), 104: container(104)})
    product.start_worker()
    (told,) = product.ensure(103).needs_rebuild
    assert commands_in((told,)) == []
    assert "Made again, it would be so again, by what the catalog declares: /srv is not mounted" in told
    product.ensure(104)
    asked = len(product.calls())
    product.ensure(104)
    assert not [path for _, path in product.calls()[asked:] if "/900/" in path]
