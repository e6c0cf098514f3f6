from __future__ import annotations

import pytest

from phoenix_producer.contract import Change
from phoenix_producer.plans import Action

NET0 = "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=52:54:00:67:89:A1,ip={},type=veth"


@pytest.mark.parametrize(
    ("key", "old", "new", "words"),
    [
        ("memory", "512", "1024", "memory: 512 → 1024"),
        ("net0", NET0.format("10.0.0.1/24"), NET0.format("10.0.0.2/24"), "net0 ip: 10.0.0.1/24 → 10.0.0.2/24"),
        ("net0", "name=eth0,gw=1,ip=a", "ip=b,name=eth0", "net0 ip: a → b, net0 gw: 1 → unset"),
        ("net0", None, "name=eth0,ip=a", "net0: unset → name=eth0,ip=a"),
        ("features", "nesting=1", "keyctl=1,nesting=1", "features keyctl: unset → 1"),
        ("startup", "order=1,up=5", "order=1,up=9", "startup up: 5 → 9"),
        ("rootfs", "8G", "16G", "rootfs: 8G → 16G"),
        ("mp0", "local:8,mp=/data", "local:8,mp=/srv", "mp0 mp: /data → /srv"),
        ("net0", "ip=a,name=eth0", "name=eth0,ip=a", "net0: ip=a,name=eth0 → name=eth0,ip=a"),
        ("description", "a=1,b", "a=2,b\nc", "description: a=1,b → a=2,b c"),
        ("template", "1", None, "template: 1 → unset"),
    ],
)
def test_only_what_differs_of_a_property_string_is_told(key: str, old: str | None, new: str | None, words: str) -> None:
    assert Change(key=key, old=old, new=new).words == words
    assert Action(kind="change", key=key, old=old, new=new).words == words
