"""OS templates by URL and OCI images: fetched once, checked, and what an image decides is as declared afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import done, failure_of, refused
from tests.acceptance.test_converging import redeclare
from tests.support.product import container

if TYPE_CHECKING:
    from tests.support.product import Product

SHA = "ab" * 32
URL = "https://example.org/images/alpine-3.20.tar.xz"


def test_one_by_url_is_fetched_with_its_checksum_once(product: Product) -> None:
    keys = {"template": URL, "checksum": f"sha256:{SHA}"}
    product.declare({103: container(103, None, **keys), 104: container(104, None, **keys)})
    product.start_worker()
    for ctid in (103, 104):
        assert done(product.ensure(ctid))[0] == ("create", ctid)
    (fetched,) = product.simulator.pve.fetched
    wanted = {"url": URL, "filename": "alpine-3.20.tar.xz", "checksum": SHA, "checksum-algorithm": "sha256"}
    assert {key: fetched[key] for key in wanted} == wanted
    assert [order["ostemplate"] for order in product.simulator.pve.creates] == ["local:vztmpl/alpine-3.20.tar.xz"] * 2
    assert product.ensure(103).outcome == "unchanged"


def test_an_image_is_pulled_and_what_it_decides_is_declared_over_it(product: Product) -> None:
    pve = product.simulator.pve
    keys = {"template": "oci://docker.io/library/app:1.2", "cmode": "tty", "environment": {"LANG": "C.UTF-8", "A": ""}}
    product.declare({103: container(103, None, **keys)})
    product.simulator.set(pve, version="9.0.10", skopeo=False)
    product.start_worker()
    for failure in (refused(product, 103), failure_of(product.producer.plan(103))):
        assert failure.cause == "proxmox-too-old"
        assert failure.message.endswith("environment needs Proxmox VE 9.1, and this is 9.0.10.")
        assert "template oci:// needs Proxmox VE 9.1" in failure.message
    product.simulator.set(pve, version="9.1.2")
    assert refused(product, 103).cause == "skopeo-missing"
    product.simulator.set(pve, skopeo=True)

    assert done(product.ensure(103)) == [("create", 103), ("configure", 103), ("start", 103)]
    assert [(one["reference"], one["filename"]) for one in pve.fetched] == [
        ("docker.io/library/app:1.2", "docker.io_library_app_1.2")
    ]
    config = product.config(103)
    assert (config["entrypoint"], config["cmode"]) == ("/bin/app", "tty")
    assert config["env"] == "PATH=/bin\0LANG=C.UTF-8\0A="
    assert product.ensure(103).outcome == "unchanged"

    redeclare(product, 103, entrypoint="/bin/app --serve")
    result = product.ensure(103)
    assert (result.outcome, result.pending_restart) == ("updated", ("entrypoint",))
