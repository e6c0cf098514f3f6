"""How a node is connected to by SSH, in the time that there is for it: its socket, its host key, our key."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import PKey, SSHClient
from paramiko.hostkeys import InvalidHostKey
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import PasswordRequiredException, SSHException

from phoenix_producer.client.regular_files import read_regular
from phoenix_worker.bounded_network import addresses
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.ssh_errors import NoKeyError, UnknownHostPolicy, UnusableFileError, unable_to_connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PORT = 22
_STEP_SECONDS = 10.0
"""For each step of connecting, of what there is for the whole command."""
_KEEPALIVE_SECONDS = 5
_DEAD_AFTER_SECONDS = 15.0
"""After which a connection whose other end does not answer is given up; SSH keep-alive messages make it answer."""
_MOST_BYTES = 16 * 1024 * 1024
"""Of a file of keys."""


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How the nodes are reached."""

    user: str
    key_file: Path | None = None
    """None: the SSH agent, then the keys in ~/.ssh."""
    known_hosts: Path | None = None
    """None: ~/.ssh/known_hosts."""
    addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Host and port of nodes that are not reached by their own name."""
    at_once: int = 4
    """Commands that one node runs for this worker at the same time."""


def step_seconds(doing: str, deadline: float) -> float:
    """Return how long the next step may take. Raises TransientError when the deadline is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise not_in_time(doing)
    return min(_STEP_SECONDS, left)


def not_in_time(doing: str) -> TransientError:
    """Say that the time for a command was over before it could be sent."""
    return TransientError(f"{doing}: no connection to the node was made in time.", cause="shell-unreachable")


def connect(node: str, access: SshAccess, doing: str, deadline: float) -> SSHClient:
    """Connect to a node, with its host key verified. Raises TransientError or PermanentError."""
    host, port = access.addresses.get(node, (node, _PORT))
    client = SSHClient()
    client.set_missing_host_key_policy(UnknownHostPolicy())
    cut = threading.Event()
    try:
        client.load_system_host_keys(None if access.known_hosts is None else _readable(access.known_hosts))
        key = None if access.key_file is None else _private_key(access.key_file)
        connection = _watched_socket(host, port, doing, deadline)
        alarm = threading.Timer(max(deadline - time.monotonic(), 0.0), _cut, (connection, cut))
        alarm.daemon = True
        alarm.start()
        try:
            seconds = step_seconds(doing, deadline)
            client.connect(
                host,
                port,
                username=access.user,
                pkey=key,
                allow_agent=key is None,
                look_for_keys=key is None,
                sock=connection,
                timeout=seconds,
                banner_timeout=seconds,
                auth_timeout=seconds,
            )
        finally:
            alarm.cancel()
    except (SSHException, OSError, EOFError, UnicodeError, InvalidHostKey) as error:
        client.close()
        if cut.is_set():
            raise not_in_time(doing) from error
        raise unable_to_connect(f"{doing} ({access.user}@{host}, port {port})", error) from error
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(_KEEPALIVE_SECONDS)
    return client


def _cut(connection: socket.socket, cut: threading.Event) -> None:
    """End what drips: paramiko's own times are for each part of an answer."""
    cut.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _connected_socket(found: Sequence[str], port: int, doing: str, deadline: float) -> socket.socket:
    for address in found[:-1]:
        with suppress(OSError):
            return socket.create_connection((address, port), step_seconds(doing, deadline))
    return socket.create_connection((found[-1], port), step_seconds(doing, deadline))


def _watched_socket(host: str, port: int, doing: str, deadline: float) -> socket.socket:
    """Connect so that a node which no longer answers is noticed, although nothing closes the connection."""
    found = addresses(host, port, step_seconds(doing, deadline))
    connection = _connected_socket(found, port, doing, deadline)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; elsewhere a command's own time has to do
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_DEAD_AFTER_SECONDS * 1000))
    return connection


def _private_key(path: Path) -> PKey:
    """Read our key, whatever its kind, with its certificate if there is one beside it."""
    try:
        return PKey.from_path(_readable(path))
    except TypeError as error:  # cryptography's
        raise PasswordRequiredException("the key has a passphrase") from error
    except (ValueError, UnsupportedAlgorithm, UnknownKeyType) as error:
        raise NoKeyError(f"{path} has no private key that can be read") from error


def _readable(path: Path) -> str:
    """Return the name of a file that can be read: paramiko would wait for the writer of a pipe for ever."""
    _content(path)
    return str(path)


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise UnusableFileError(error.errno, error.strerror, str(path)) from error
