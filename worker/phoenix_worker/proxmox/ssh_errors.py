"""What it means when a node cannot be reached by SSH: worth another try, or not."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from paramiko import MissingHostKeyPolicy
from paramiko.hostkeys import InvalidHostKey
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    IncompatiblePeer,
    PasswordRequiredException,
    SSHException,
)

from phoenix_worker.core.model.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from paramiko import PKey, SSHClient


class UnknownHostError(SSHException):
    """The node's host key is in no file that we know."""


class NoKeyError(SSHException):
    """A file has no private key that can be read."""


class UnusableFileError(OSError):
    """A file of keys is of another kind than files, or has no end."""


class UnknownHostPolicy(MissingHostKeyPolicy):
    """Refuse hosts whose key is not known: nobody is there to compare fingerprints."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002 - paramiko's
        """Raise UnknownHostError with what the administrator needs to compare."""
        raise UnknownHostError(f"the host key {key.get_name()} {key.fingerprint} of {hostname} is not known")


_KNOWN_HOSTS = "PHOENIX_SHELL_KNOWN_HOSTS"
_KEY_FILE = "Set PHOENIX_SHELL_KEY_FILE to a private key in OpenSSH's format, not the public one (.pub)."
_PERMANENT: tuple[tuple[type[Exception], str, str], ...] = (
    (
        UnknownHostError,
        "shell-host-key",
        f"Compare it with `cat /etc/ssh/ssh_host_*.pub | ssh-keygen -lf -` on the node; then add it to {_KNOWN_HOSTS}.",
    ),
    (
        BadHostKeyException,
        "shell-host-key",
        f"If the node was reinstalled, correct {_KNOWN_HOSTS}; if not, another host answers in its place.",
    ),
    (
        PasswordRequiredException,
        "shell-authentication",
        "Give the key to an SSH agent (PHOENIX_SHELL_KEY_FILE unset), or use one without a passphrase.",
    ),
    (
        AuthenticationException,
        "shell-authentication",
        "Add the public key to authorized_keys of PHOENIX_SHELL_USER on the node, or correct PHOENIX_SHELL_KEY_FILE.",
    ),
    (
        IncompatiblePeer,
        "shell-incompatible",
        "Enable current key exchange and cipher algorithms in the node's SSH server.",
    ),
    (
        FileNotFoundError,
        "shell-settings",
        f"Correct PHOENIX_SHELL_KEY_FILE or {_KNOWN_HOSTS}.",
    ),
    (PermissionError, "shell-settings", f"Let the worker read PHOENIX_SHELL_KEY_FILE and {_KNOWN_HOSTS}."),
    (
        UnusableFileError,
        "shell-settings",
        f"Let PHOENIX_SHELL_KEY_FILE and {_KNOWN_HOSTS} name files, not directories.",
    ),
    (NoKeyError, "shell-settings", _KEY_FILE),
    (UnicodeError, "shell-settings", f"Let {_KNOWN_HOSTS} name a file such as `ssh-keyscan` writes."),
    (InvalidHostKey, "shell-settings", f"Correct the line in {_KNOWN_HOSTS}, or fetch the node's keys again."),
)
_NO_KEY = re.compile(r"not a valid \S+ private key file")
_ANSWERS = "See that the node's SSH answers."
_NO_SSH = "What answers at this port is no SSH server: correct PHOENIX_SHELL_ADDRESSES."
_NO_ADDRESS = "Let PHOENIX_SHELL_ADDRESSES give the node's address, or DNS know its name."
_PASSING = ("timeout", "timed out", "saw eof")
"""What paramiko says of authentication that was not refused but had no answer, or whose connection was closed."""


def unable_to_connect(doing: str, error: Exception) -> TransientError | PermanentError:
    """Translate what paramiko or the network raised before a command was sent, or while a file of keys was read."""
    why = str(error).rstrip(".") or type(error).__name__
    if not any(word in why.lower() for word in _PASSING):
        for kind, cause, remedy in _PERMANENT:
            if isinstance(error, kind):
                return PermanentError(f"{doing}: {why}.", cause=cause, remedy=remedy)
    if _NO_KEY.search(why):
        return PermanentError(f"{doing}: {why}.", cause="shell-settings", remedy=_KEY_FILE)
    return TransientError(f"{doing}: {why}.", cause="shell-unreachable", remedy=_remedy(error, why))


def _remedy(error: Exception, why: str) -> str:
    if isinstance(error, socket.gaierror):
        return _NO_ADDRESS
    return _NO_SSH if "protocol banner" in why else _ANSWERS
