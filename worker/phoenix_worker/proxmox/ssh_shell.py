"""The node shell over SSH. Host keys are always verified; each node has one connection, which is kept and reused.

An SSH server hands a command to the login shell of its user as one line, so the arguments are quoted once, here.
"""

from __future__ import annotations

import logging
import os
import shlex
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from paramiko.ssh_exception import ChannelException, SSHException

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.ports import Ran
from phoenix_worker.proxmox.command import MOST_BYTES, encoded, named, too_much
from phoenix_worker.proxmox.forced_command import see_allowed
from phoenix_worker.proxmox.ssh_connection import connect, not_in_time, step_seconds
from phoenix_worker.proxmox.ssh_errors import unable_to_connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from paramiko import Channel, SSHClient

    from phoenix_worker.proxmox.ssh_connection import SshAccess

_AT_ONCE = 32768

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what goes wrong is told by our own errors, once


class SshShell:
    """Runs commands on any node. `as_root` is put before each, such as `sudo -n --`. Safe to share between threads."""

    def __init__(self, access: SshAccess, *, as_root: Sequence[str] = ()) -> None:
        self._access = access
        self._as_root = tuple(as_root)
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin without connections: two processes must not share one."""
        self._nodes: dict[str, _Node] = {}
        self._lock = threading.Lock()

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
        """See `NodeShell.run`. A command that takes too long is left to itself."""
        command = shlex.join(word.decode() for word in encoded((*self._as_root, *argv))).encode()
        began = time.monotonic()
        with self._lock:
            there = self._nodes.setdefault(node, _Node(node, self._access))
        doing = f"Unable to run {named(argv)} on {node}"
        with there.place(timeout, argv):
            channel = there.channel(argv, began + timeout)
            ran = _Command(channel, doing).run(command, stdin, timeout, began + timeout - time.monotonic())
        return see_allowed(doing, ran)


class _Node:
    """One node: its connection, and how many may use it at once."""

    def __init__(self, name: str, access: SshAccess) -> None:
        self._name = name
        self._access = access
        self._places = threading.BoundedSemaphore(access.at_once)
        self._connecting = threading.Lock()
        self._client: SSHClient | None = None

    @contextmanager
    def place(self, timeout: float, argv: Sequence[str]) -> Iterator[None]:
        """Be one of those who use it at once, as soon as there is room. Raises TransientError (`shell-busy`)."""
        if not self._places.acquire(timeout=timeout):
            raise TransientError(
                f"Unable to run {named(argv)} on {self._name}: {self._access.at_once} other commands run there, and "
                f"none has ended within {timeout:g} s.",
                cause="shell-busy",
            )
        try:
            yield
        finally:
            self._places.release()

    def channel(self, argv: Sequence[str], deadline: float) -> Channel:
        """Open a channel on the kept connection, or on a new one if that turns out to be dead.

        Nobody waits beyond the deadline for others who connect.
        """
        doing = f"Unable to run {named(argv)} on {self._name}"
        for last in (False, True):
            client = self._connected(doing, deadline)
            try:
                return _open(client, step_seconds(doing, deadline))
            except ChannelException as error:
                raise TransientError(f"{doing}: the node opens no session ({error}).", cause="shell-busy") from error
            except (SSHException, OSError, EOFError) as error:
                self._drop(client)
                if last:
                    raise unable_to_connect(doing, error) from error
        raise AssertionError("the second try returns or raises")

    def _connected(self, doing: str, deadline: float) -> SSHClient:
        if not self._connecting.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
            raise not_in_time(doing)
        try:
            if self._client is None:
                self._client = connect(self._name, self._access, doing, deadline)
            return self._client
        finally:
            self._connecting.release()

    def _drop(self, client: SSHClient) -> None:
        with self._connecting:
            if self._client is client:
                self._client = None
        client.close()


def _open(client: SSHClient, seconds: float) -> Channel:
    transport = client.get_transport()
    if transport is None:
        raise SSHException("the connection was closed")
    return transport.open_session(timeout=seconds)


class _Command:
    """One command on a channel of its own."""

    def __init__(self, channel: Channel, doing: str) -> None:
        self._channel = channel
        self._doing = doing
        self._over = threading.Event()
        self._too_much = threading.Event()

    def run(self, command: bytes, stdin: bytes, timeout: float, remaining: float) -> Ran:
        alarm = threading.Timer(max(remaining, 0.0), self._end)
        alarm.daemon = True
        alarm.start()
        try:
            return self._exchange(command, stdin)
        except (SSHException, OSError, EOFError) as error:
            if self._too_much.is_set():
                raise too_much(self._doing) from error
            why, cause = self._how_it_was_cut(), "shell-cut"
            if self._over.is_set():
                why, cause = f"it took longer than {timeout:g} s", "shell-timeout"
            raise TransientError(f"{self._doing}: {why}.", cause=cause) from error
        finally:
            alarm.cancel()
            self._close()

    def _end(self) -> None:
        """Whatever waits for the channel wakes up of its closing."""
        self._over.set()
        self._close()

    def _close(self) -> None:
        with suppress(SSHException, OSError, EOFError):  # it tells the other side, which may be gone
            self._channel.close()

    def _exchange(self, command: bytes, stdin: bytes) -> Ran:
        """Send and receive side by side: who fills one pipe may wait for another to be emptied."""
        self._channel.exec_command(command)
        with ThreadPoolExecutor(2, thread_name_prefix="phoenix-ssh") as sides:
            sides.submit(self._send, stdin)
            err = sides.submit(self._received, self._channel.recv_stderr)
            out = self._received(self._channel.recv)
        exit_code = self._channel.recv_exit_status()
        if exit_code < 0 or self._too_much.is_set():
            raise EOFError
        return Ran(exit_code, out, err.result())

    def _send(self, stdin: bytes) -> None:
        with suppress(OSError):  # it ended without reading all of it, or the other side tells
            self._channel.sendall(stdin)
            self._channel.shutdown_write()

    def _how_it_was_cut(self) -> str:
        transport = self._channel.get_transport()
        alive = transport is not None and transport.is_active()
        return "it ended without an exit code, perhaps by a signal" if alive else "the connection was cut"

    def _received(self, receive: Callable[[int], bytes]) -> bytes:
        """Receive all of one side. What nobody would read any more ends the command."""
        received = bytearray()
        while part := receive(_AT_ONCE):
            received += part
            if len(received) > MOST_BYTES:
                self._too_much.set()
                self._close()
                break
        return bytes(received)
