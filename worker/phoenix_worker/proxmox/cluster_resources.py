"""The part of the API that is about what the cluster has to make containers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.allowed.versions import read_version
from phoenix_worker.core.model.ports import Storage, Volume
from phoenix_worker.proxmox.quorum import Guest, refuse_without_quorum
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from phoenix_worker.proxmox.connection import Connection


class Offers:
    """Base of the API."""

    _connection: Connection

    def version(self) -> tuple[int, ...]:
        """Ask `GET /version`, which everybody may."""
        told = self._connection.fields(Request("GET", "version", "ask Proxmox for its version"))["version"]
        if not isinstance(told, str):
            raise TypeError(f"the version is {told!r}")
        return read_version(told)

    def storages(self) -> dict[str, Storage]:
        """Ask `GET /storage`: the configuration, which wakes no storage up."""
        request = Request("GET", "storage", "list the storages", "Datastore.Audit on the storages")
        return {
            str(row["storage"]): Storage(
                name=str(row["storage"]),
                kind=str(row["type"]),
                content=frozenset(str(row.get("content", "")).split(",")),
                shared=bool(int(row.get("shared") or 0)),
                nodes=frozenset(filter(None, str(row.get("nodes") or "").split(","))),
                enabled=not int(row.get("disable") or 0),
                path=str(row.get("path") or "").rstrip("/"),
                pool=str(row.get("pool") or row.get("vgname") or ""),
            )
            for row in self._connection.rows(request)
        }

    def bridges(self, node: str) -> frozenset[str]:
        """Ask `GET /nodes/N/network`; `any_bridge` names those of Open vSwitch and SDN's VNets too."""
        request = Request("GET", f"nodes/{node}/network", f"list the bridges of {node}", "SDN.Use on the bridges")
        return frozenset(str(row["iface"]) for row in self._connection.rows(request, type="any_bridge"))

    def machine(self, node: str) -> str:
        """Ask `GET /nodes/N/status` for what its kernel is built for; nothing where it does not say (before 8.1)."""
        request = Request("GET", f"nodes/{node}/status", f"look at {node}", f"Sys.Audit on /nodes/{node}")
        kernel = self._connection.fields(request).get("current-kernel")
        return str(kernel.get("machine") or "") if isinstance(kernel, dict) else ""

    def need_quorum(self, doing: str, guest: Guest | None = None) -> None:
        """Ask for quorum, before what Proxmox would do without it, and before the first step that leads to it."""
        refuse_without_quorum(self._connection.call, doing, guest)

    def replication_jobs(self, ctid: int) -> list[str]:
        """Ask `GET /cluster/replication`, which lists those of the guests that we may see."""
        return self.all_replication_jobs(f"/vms/{ctid}").get(ctid, [])

    def all_replication_jobs(self, of: str = "/vms") -> dict[int, list[str]]:
        """Ask for those of all guests, by CTID; `of` is the path on which a privilege shows those that are meant."""
        request = Request("GET", "cluster/replication", "list the replication jobs", f"VM.Audit on {of}")
        jobs: dict[int, list[str]] = {}
        for job in sorted(self._connection.rows(request), key=lambda one: str(one["id"])):
            jobs.setdefault(int(job["guest"]), []).append(str(job["id"]))
        return jobs

    def volumes(self, node: str, storage: str) -> list[Volume]:
        """Ask `GET …/storage/STORAGE/content`."""
        request = Request(
            "GET",
            f"nodes/{node}/storage/{storage}/content",
            f"list the volumes of {storage} on {node}",
            f"Datastore.Audit on /storage/{storage}",
        )
        return [_volume(entry) for entry in self._connection.rows(request)]

    def free_volume(self, node: str, volume: str) -> str:
        """Delete by `DELETE …/storage/STORAGE/content/VOLUME`. The role of phoenix-lxc does not have the privilege."""
        storage = volume.partition(":")[0]
        request = Request(
            "DELETE",
            f"nodes/{node}/storage/{storage}/content/{volume}",
            f"free the volume {volume} on {node}",
            f"Datastore.Allocate on /storage/{storage}",
        )
        return self._connection.task(request)

    def os_templates(self, node: str, storage: str) -> frozenset[str]:
        """Look in `GET …/storage/STORAGE/content`."""
        request = Request(
            "GET",
            f"nodes/{node}/storage/{storage}/content",
            f"list the OS templates on {storage} of {node}",
            f"Datastore.Audit on /storage/{storage}",
        )
        return frozenset(str(entry["volid"]) for entry in self._connection.rows(request, content="vztmpl"))

    def appliances(self, node: str) -> frozenset[str]:
        """Ask `GET …/aplinfo`. An entry without a name is one that nobody can download."""
        request = Request("GET", f"nodes/{node}/aplinfo", f"read the index of OS templates on {node}")
        return frozenset(str(entry["template"]) for entry in self._connection.rows(request) if "template" in entry)

    def download_os_template(self, node: str, volume: str) -> str:
        """Download by `POST …/aplinfo`."""
        storage, name = volume.partition(":")[0], volume.rpartition("/")[2]
        doing, needs = f"download {volume} to {node}", f"Datastore.AllocateTemplate on /storage/{storage}"
        request = Request("POST", f"nodes/{node}/aplinfo", doing, needs)
        return self._connection.task(request, storage=storage, template=name)

    def fetch_os_template(self, node: str, volume: str, *, url: str, checksum: str | None) -> str:
        """Download by `POST …/storage/STORAGE/download-url`. What has another checksum is not kept."""
        algorithm, _, digest = (checksum or "").partition(":")
        checked = {"checksum": digest, "checksum-algorithm": algorithm} if checksum else {}
        storage, name = volume.partition(":")[0], volume.rpartition("/")[2]
        request = Request(
            "POST",
            f"nodes/{node}/storage/{storage}/download-url",
            f"download {volume} to {node}",
            _fetching(node, storage),
        )
        return self._connection.task(request, content="vztmpl", filename=name, url=url, **checked)

    def pull_image(self, node: str, volume: str, image: str) -> str:
        """Pull by `POST …/storage/STORAGE/oci-registry-pull`, which puts `.tar` behind the name that it is given."""
        storage, name = volume.partition(":")[0], volume.rpartition("/")[2].removesuffix(".tar")
        request = Request(
            "POST",
            f"nodes/{node}/storage/{storage}/oci-registry-pull",
            f"pull {image} to {node}",
            _fetching(node, storage),
        )
        return self._connection.task(request, reference=image, filename=name)


def _fetching(node: str, storage: str) -> str:
    return f"Datastore.AllocateTemplate on /storage/{storage} and Sys.AccessNetwork on /nodes/{node}"


def _volume(entry: dict[str, Any]) -> Volume:
    owner = entry.get("vmid")
    return Volume(entry["volid"], None if owner is None else int(owner), entry.get("parent") or "")
