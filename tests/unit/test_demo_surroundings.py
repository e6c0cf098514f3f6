"""The demo's Proxmox has what a catalog takes for granted of its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.commands.demo.surroundings import surroundings_of
from tests.unit.catalog_files import clone, network, template, write

if TYPE_CHECKING:
    from pathlib import Path

RULES = [
    {"group": "baseline"},
    {"type": "in", "action": "DROP", "source": "+dc/blocked"},
    {"type": "in", "action": "ACCEPT", "source": "Gateway", "dest": "+sdn/net-all"},
]


def test_all_that_a_catalog_names_is_there(tmp_path: Path) -> None:
    data = {"pool": "tank", "size_gb": 1, "mount_point": "/data"}
    configs = {
        "900": template(node="alpha", storage_pool="fast", is_template=True, template="local:vztmpl/debian-12.tar.zst"),
        "103": clone(node=["alpha", "beta"], volumes=[data], pool="web", network_config=network(bridge="vmbr7")),
        "104": template(template="/mnt/nfs/alpine.tar.xz", dependencies=[103, 1002], networks=[{"bridge": "vmbr1"}]),
        "105": template(template="oci://docker.io/library/nginx:1", node="any", firewall={"rules": RULES}),
    }
    assert surroundings_of(write(tmp_path, {"lxc_configs": configs})).flags() == [
        "--node=alpha",
        "--node=beta",
        "--os-template=alpine.tar.xz",
        "--os-template=debian-12.tar.zst",
        "--os-template=docker.io_library_nginx_1.tar",
        "--bridge=vmbr1",
        "--bridge=vmbr7",
        "--pool=web",
        "--storage=fast",
        "--storage=local",
        "--storage=tank",
        "--guest=1002",
        "--security-group=baseline",
        "--ip-set=blocked",
        "--alias=gateway",
    ]
