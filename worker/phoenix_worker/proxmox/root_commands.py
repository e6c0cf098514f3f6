"""What root does on a node for us, as argument lists: each command the product runs there but for scripts is made here.

`docs/proxmox-access.md` has a list of what the node may allow; a test holds it against the commands of this module.
"""

from __future__ import annotations

import hashlib
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import RESTORE_QUORUM, PermanentError, TransientError
from phoenix_worker.core.model.ports import TaskEnd
from phoenix_worker.proxmox.error_table import GONE, MISSING
from phoenix_worker.proxmox.translate import error_of_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phoenix_worker.core.differs.root_only import HostDirectory
    from phoenix_worker.core.model.ports import NodeShell, Ran

_LOCK_SECONDS = 10
"""As long as Proxmox itself waits for the lock of a configuration file."""
_LOCK_TIMEOUT, _CHANGED, _CUT = 75, 76, 77
REPLACE = f"""\
set -e
new="$1.tmp.$$"
trap 'rm -f -- "$new"' EXIT
cat >"$new"
[ "$(sha1sum <"$new")" = "$3  -" ] || exit {_CUT}
[ "$(sha1sum <"$1")" = "$2  -" ] || exit {_CHANGED}
mv -f -- "$new" "$1"
"""
"""Replace a file by what comes in, if it is still what it was and all of that has come. It is run under the lock that
Proxmox takes, and renames as Proxmox does (`lock_config` and `file_set_contents` in pve-guest-common and pve-common):
on `/etc/pve` that is how a file changes as a whole, on every node."""

HAVE_DIRECTORY = (files(__package__) / "have_directory.py").read_text(encoding="utf-8")
"""What makes the directory of a bind mount."""


def digest(content: bytes) -> str:
    """Give the digest of a configuration file, as `GET config` has it."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def setting(ctid: int, put: Mapping[str, str], delete: Sequence[str], digest: str) -> list[str]:
    """Write the command that changes options."""
    options = [part for key, value in put.items() for part in (f"--{key}", value)]
    if delete:
        options += ["--delete", ",".join(delete)]
    return ["pct", "set", str(ctid), *options, "--digest", digest]


def reading(ctid: int) -> list[str]:
    """Write the command that prints a configuration file."""
    return ["cat", _file(ctid)]


def replacing(ctid: int, old: bytes, new: bytes) -> list[str]:
    """Write the command that replaces a configuration file by what comes in."""
    flock = ["flock", "-w", str(_LOCK_SECONDS), "-E", str(_LOCK_TIMEOUT), f"/run/lock/lxc/pve-config-{ctid}.lock"]
    return [*flock, "sh", "-c", REPLACE, "sh", _file(ctid), digest(old), digest(new)]


def making(directory: HostDirectory) -> list[str]:
    """Write the command that makes a directory."""
    owner = [str(directory.uid), str(directory.gid), str(int(directory.owned))]
    return ["python3", "-c", HAVE_DIRECTORY, directory.path, *owner]


class RootCommands:
    """The commands for the containers of one node."""

    def __init__(self, shell: NodeShell, node: str) -> None:
        self._shell = shell
        self._node = node

    def set_options(self, ctid: int, put: Mapping[str, str], delete: Sequence[str], *, digest: str) -> None:
        """Change options by `pct set`; refused when the digest is no longer the configuration's."""
        self._run(f"configure CT {ctid} on {self._node}", setting(ctid, put, delete, digest))

    def unlock(self, ctid: int) -> None:
        """Take a container's lock away by `pct unlock`, which asks nobody whether it is in use."""
        self._run(f"unlock CT {ctid} on {self._node}", ["pct", "unlock", str(ctid)])

    def config(self, ctid: int) -> bytes:
        """Read the configuration file."""
        return self._run(f"read the configuration of CT {ctid} on {self._node}", reading(ctid)).out

    def replace_config(self, ctid: int, old: bytes, new: bytes) -> None:
        """Replace the configuration file as a whole, if it is still the old one. Raises TransientError if it is not."""
        doing = f"write the configuration of CT {ctid} on {self._node}"
        self._run(doing, replacing(ctid, old, new), stdin=new)

    def have_directory(self, directory: HostDirectory) -> None:
        """Make a directory unless there is one. It gets its owner when it is new, or when one is declared.

        No link on its path is followed: a container may have put it there.

        Raises PermanentError.
        """
        doing = f"make the directory {directory.path} on {self._node}"
        ran = self._shell.run(self._node, making(directory))
        if ran.exit_code:
            raise self._in_the_way(doing, directory.path, ran) or _error(doing, ran)

    def _in_the_way(self, doing: str, path: str, ran: Ran) -> PermanentError | None:
        told, path = f"Unable to {doing}: {_words(ran)}.", shlex.quote(path)
        if b" is a link" in ran.err:
            remedy = f"Declare the path without links as host_path: `realpath {path}` on {self._node}."
            return PermanentError(told, cause="link-in-path", remedy=remedy)
        if b" is not a directory" in ran.err:
            remedy = f"Move it away, or declare another host_path: `namei -l {path}` on {self._node} shows it."
            return PermanentError(told, cause="not-a-directory", remedy=remedy)
        return None

    def _run(self, doing: str, argv: Sequence[str], *, stdin: bytes = b"") -> Ran:
        ran = self._shell.run(self._node, argv, stdin=stdin)
        if ran.exit_code:
            raise _error(doing, ran)
        return ran


def _file(ctid: int) -> str:
    return f"/etc/pve/lxc/{ctid}.conf"


def _words(ran: Ran) -> str:
    return " ".join((ran.err or ran.out).decode(errors="replace").split()) or f"exit code {ran.exit_code}"


def _error(doing: str, ran: Ran) -> PermanentError | TransientError:
    words = _words(ran)
    if ran.exit_code == _LOCK_TIMEOUT:
        return TransientError(f"Unable to {doing}: its lock is held by another process.", cause="lock-timeout")
    if ran.exit_code in {_CHANGED, _CUT}:
        why = "it was changed meanwhile" if ran.exit_code == _CHANGED else "the connection was cut on the way"
        return TransientError(f"Unable to {doing}: {why}.", cause="stale-digest")
    if "No such file" in words and "/etc/pve/lxc/" in words:
        return PermanentError(
            f"Unable to {doing}: {words}.",
            cause=MISSING,
            remedy=GONE,
        )
    if "/etc/pve" in words and ("Permission denied" in words or "Read-only" in words):
        return TransientError(f"Unable to {doing}: {words}.", cause="no-quorum", remedy=RESTORE_QUORUM)
    return error_of_task(doing, TaskEnd(words))
