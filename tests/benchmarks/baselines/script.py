"""A plain script: one container after the other, each job waited for by `Tasks.blocking_status` of proxmoxer."""

from __future__ import annotations

from proxmoxer.tools import Tasks

from tests.benchmarks.baselines.proxmox import CTIDS, SOURCE, connect, node, settings


def main() -> None:
    proxmox = connect()
    for ctid in CTIDS:
        containers = node(proxmox).lxc
        Tasks.blocking_status(proxmox, containers(SOURCE).clone.post(newid=ctid, hostname=f"ct{ctid}", full=1))
        containers(ctid).config.put(**settings(ctid))
        Tasks.blocking_status(proxmox, containers(ctid).status.start.post())


if __name__ == "__main__":
    main()
