"""OCI images as a real node has them: pulled from registries, and deciding more than they are asked at creation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakepve.model import PveError
from fakepve.server import USER, FakePve, ok, params

if TYPE_CHECKING:
    from aiohttp import web


class Images(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    skopeo = True
    """Whether the node has the program that pulls images."""
    fetched: list[dict[str, Any]]
    """The parameters of every download and pull."""

    def __init__(self, **access: Any) -> None:
        super().__init__(**access)
        self.fetched = []
        self.image = {"entrypoint": "/bin/app", "env": "PATH=/bin\0LANG=C", "cmode": "console"}
        """What every image decides: `restore_oci_archive` in pve-container writes over what was asked."""

    def _routes_images(self) -> list[tuple[str, str, Any]]:
        return [("POST", "/nodes/{node}/storage/{storage}/oci-registry-pull", self._pull)]

    async def _pull(self, v: dict[str, Any], user: str) -> str:
        if not self.skopeo:
            raise PveError(500, "Install 'skopeo' to pull OCI images from registries.")
        return await self._come(v, user, "ociregistrypull", f"{v['filename']}.tar")

    async def _download_url(self, request: web.Request) -> web.Response:
        """As `PVE::API2::Storage::Status` asks for privileges; fakepve wants Sys.Modify too."""
        v = self._verify(request, dict(await params(request))) | dict(request.match_info)
        answer: web.Response = ok(await self._come(v, request[USER], "download", v["filename"]))
        return answer

    async def _come(self, v: dict[str, Any], user: str, kind: str, name: str) -> str:
        self.require(user, f"/storage/{v['storage']}", "Datastore.AllocateTemplate")
        self.require(user, f"/nodes/{v['node']}", "Sys.AccessNetwork")
        if "vztmpl" not in self.storages[v["storage"]]["content"].split(","):
            raise PveError(500, f"storage '{v['storage']}' is not configured for content-type 'vztmpl'")
        self.fetched.append(dict(v))

        async def body() -> None:
            await self.pause(self.ct_secs["download"])
            volumes = self.storages[v["storage"]]["volumes"]
            volumes[f"vztmpl/{name}"] = {"content": "vztmpl", "format": "tar", "size": 1}

        return str(await self.task(v["node"], kind, name, user, body))

    def _decide(self, created: Any, order: dict[str, Any]) -> None:
        """Let an image decide what it does."""
        if str(order["ostemplate"]).endswith(".tar"):
            created.config.update(self.image)
