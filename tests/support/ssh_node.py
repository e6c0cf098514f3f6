"""A node's SSH server on loopback, in a thread: real SSH, real processes, and a `pct` told of the simulator's state.

Every container is a directory. A clone's directory is a copy of its template's; a new container's is empty.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncssh
import pytest

from phoenix_worker.proxmox.ssh_connection import SshAccess
from tests.support import pct_stand_in
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.proxmox import Simulator

USER = "phoenix"
DOOR = Path(__file__).parents[2] / "scripts" / "node_door.py"
_TIMEOUT = 60
_LAST_CALLBACKS = 0.01
"""Seconds for connections that were just aborted to be let go by the loop."""


_CHPASSWD = """\
#!/bin/sh
cat >"$HOME/chpasswd"
tr '\\0' ' ' <"/proc/$$/cmdline" >"$HOME/processes"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >>"$HOME/processes" || :
"""
"""In a container's directory: what it was told, and the command lines of all processes meanwhile."""


class SshNode:
    """The node `pve1`, reached at 127.0.0.1. Use it in a `with` statement; without a simulator it has no containers."""

    def __init__(self, directory: Path, simulator: Simulator | None = None) -> None:
        self._directory = directory
        self._simulator = simulator
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh-node", daemon=True)
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._roots: dict[int, tuple[object, Path]] = {}
        self.connected = 0
        """Connections that logged in so far."""
        self.commands: list[str] = []
        """Every command line so far, as the login shell got it."""
        self.door: list[str] | None = None
        """The arguments of the forced command that docs/proxmox-access.md recommends; None for a key without one."""
        self.running = 0
        self.most_running = 0
        self.stalls = False
        """Whether new commands are taken and never begun, as on a node that is out of memory."""
        self.port = 0
        self.key_file = directory / "client_key"
        self.known_hosts = directory / "known_hosts"

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT)
        self._loop.close()
        for root in self._roots.values():
            kill_all(root[1])

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT)

    # --- the server

    async def _listen(self) -> None:
        host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.key_file.write_bytes(client_key.export_private_key())
        self.key_file.chmod(0o600)
        authorized = self._directory / "authorized_keys"
        authorized.write_bytes(client_key.export_public_key())
        programs = self._directory / "bin"
        programs.mkdir(exist_ok=True)
        pct = programs / "pct"
        pct.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {pct_stand_in.__file__} "$@"\n')
        pct.chmod(0o755)
        chpasswd = programs / "chpasswd"
        chpasswd.write_text(_CHPASSWD)
        chpasswd.chmod(0o755)
        self._environ = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self._directory),
            "PCT_SOCKET": str(self._directory / "pct.sock"),
        }
        self._pct = await asyncio.start_unix_server(self._answer, self._environ["PCT_SOCKET"])
        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Guest(self),
            server_host_keys=[host_key],
            authorized_client_keys=str(authorized),
            process_factory=self._run,
            encoding=None,
        )
        self.port = self._server.get_port()
        public = host_key.export_public_key().decode().strip()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")

    async def _close(self) -> None:
        self._server.close()
        self._pct.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()  # again, where what it does at its end does not end
            ended, _ = await asyncio.wait(others, timeout=1)
            await asyncio.gather(*ended, return_exceptions=True)
        await asyncio.sleep(_LAST_CALLBACKS)

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Do as sshd does: the login shell gets the line, and outlives the connection."""
        line = process.command or ""
        self.commands.append(line)
        if not re.match("(sudo -n -- )?pct ", line):  # the node's own files are in the test's directory too
            line = re.sub(f"(?<=[ '=]){pct_stand_in.OURS}", f"{self._directory}{pct_stand_in.OURS}", line)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.stalls:
                await asyncio.Event().wait()
            await self._run_line(process, line)
        finally:
            self.running -= 1

    async def _run_line(self, process: asyncssh.SSHServerProcess[bytes], line: str) -> None:
        if self.door is not None:
            door = [sys.executable, "-IS", str(DOOR), *self.door]
            line = f"SSH_ORIGINAL_COMMAND={shlex.quote(line)} exec {shlex.join(door)}"
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", line, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environ, start_new_session=True
        )
        assert child.stdin is not None
        feeding = asyncio.ensure_future(_feed(process.stdin, child.stdin))
        try:
            await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
            code = await child.wait()
        finally:
            feeding.cancel()
            # At the end of a test it may still run, and what it started may hold its pipes: neither is left open.
            child._transport.close()  # type: ignore[attr-defined]  # asyncio has no public way
            await child.wait()
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)

    # --- what a test does

    def cut(self) -> None:
        """Cut every connection, as a cable that is pulled and plugged in again: nothing that was started ends."""

        async def abort() -> None:
            for connection in list(self._connections):
                connection.abort()

        self._do(abort())

    def stop_containers_processes(self, ctid: int) -> None:
        """End everything that runs in a container, as its restart does."""
        kill_all(self.root(ctid))

    def environ(self, **more: str) -> dict[str, str]:
        """The settings of a worker that comes in by this door."""
        return {
            "PHOENIX_SHELL": "ssh",
            "PHOENIX_SHELL_USER": USER,
            "PHOENIX_SHELL_KEY_FILE": str(self.key_file),
            "PHOENIX_SHELL_KNOWN_HOSTS": str(self.known_hosts),
            "PHOENIX_SHELL_ADDRESSES": f"{NODE}=127.0.0.1:{self.port}",
            **more,
        }

    def root(self, ctid: int) -> Path:
        """The directory of a container, made when it is first looked at."""
        assert self._simulator is not None
        container = self._simulator.pve.ct(ctid)
        assert container is not None, f"CT {ctid} does not exist"
        known, root = self._roots.get(ctid, (None, Path()))
        if known is not container:
            root = self._directory / "containers" / f"{ctid}-{id(container):x}"
            source = self._simulator.pve.cloned_from.get(ctid)
            if source is None:
                root.mkdir(parents=True)
            else:
                gone = self._simulator.pve.ct(source) is None  # a rebuild's, that was copied before it went
                shutil.copytree(self._roots[source][1] if gone else self.root(source), root)
            self._roots[ctid] = (container, root)
        return root

    # --- pct

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        argv = json.loads(await reader.readline())
        writer.write(json.dumps(self._pct_says(argv)).encode() + b"\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    def _pct_says(self, argv: list[str]) -> dict[str, Any]:
        if argv == ["list"]:
            return {"code": 0, "say": ""}
        verb, ctid = argv[0], int(argv[1])
        container = self._simulator.pve.ct(ctid) if self._simulator else None
        if container is None:
            return {"code": 2, "say": f"Configuration file 'nodes/{NODE}/lxc/{ctid}.conf' does not exist"}
        if verb == "exec":
            if container.status != "running":
                return {"code": 255, "say": f"container '{ctid}' not running!"}
            return {"code": 0, "say": "", "root": str(self.root(ctid))}
        return {"code": 255, "say": f"unknown command '{verb}'"}


def access_to(node: SshNode, **changed: Any) -> SshAccess:
    """How an adapter reaches it."""
    address = {NODE: ("127.0.0.1", node.port)}
    access = SshAccess(USER, key_file=node.key_file, known_hosts=node.known_hosts, addresses=address)
    return replace(access, **changed)


class _Guest(asyncssh.SSHServer):
    """A connection, so that it can be cut."""

    def __init__(self, node: SshNode) -> None:
        self._node = node

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._node._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        self._node._connections.discard(self._conn)

    def auth_completed(self) -> None:
        self._node.connected += 1


def kill_all(root: Path) -> None:
    """Kill every process that was started in a container's directory."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"CONTAINER={root}#".encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


async def _feed(source: Any, sink: asyncio.StreamWriter) -> None:
    await _pump(source, sink)
    sink.close()


async def _pump(source: Any, sink: Any) -> None:
    """Copy until the end, or until nobody is there any more."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()


@pytest.fixture
def ssh_node(simulator: Simulator, tmp_path: Path) -> Iterator[SshNode]:
    """The shell of the simulator's node."""
    with SshNode(tmp_path / "node", simulator) as node:
        node.door = ["--ctids", "100-9999", "--node-scripts"]
        yield node
