"""Whether systemd can start what a unit names: where this installation is, what it has, and what units hide from it."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import phoenix_producer

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE_USER = "phoenix"
"""Whom the units run as."""
_NAME = "phoenix-lxc"
_HIDDEN = {
    "/home": "ProtectHome=yes",
    "/root": "ProtectHome=yes",
    "/run/user": "ProtectHome=yes",
    "/tmp": "PrivateTmp=yes",  # noqa: S108 - nothing is written there
    "/var/tmp": "PrivateTmp=yes",  # noqa: S108
}
"""Directories that a service does not see, by systemd.exec(5), and the line of our units that hides each."""
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\"'\\]")
_ELSEWHERE = (
    "Install it where other users can read it, with a Python that is there too"
    " (`/usr/bin/python3 -m venv /opt/phoenix`), and print the units with that one."
)


@dataclass(frozen=True)
class Reader:
    """Who has to read the installation."""

    uid: int
    gid: int

    def may(self, state: os.stat_result, wanted: int) -> bool:
        """Whether the mode grants all of `wanted`, given as the bits of others (`stat.S_IXOTH`)."""
        shift = 6 if state.st_uid == self.uid else 3 if state.st_gid == self.gid else 0
        return (state.st_mode >> shift) & wanted == wanted


def program() -> Path:
    """Return the command of this installation, where its installer has put it: `--user` has other directories."""
    try:
        recorded = distribution(_NAME)
    except PackageNotFoundError:
        recorded = None
    for file in (recorded.files if recorded else None) or ():
        if file.name == _NAME:
            return Path(os.path.normpath(str(file.locate())))
    return Path(sysconfig.get_path("scripts"), _NAME)


def as_program(path: Path) -> str:
    """Write a path as the first word of `ExecStart=`, by systemd.unit(5): on one line, whatever is in it.

    `$` stands for itself in it: variables are filled in only after the program.
    """
    text = re.sub(r"[\x00-\x1f\x7f]", "?", str(path)).replace("%", "%%")
    return text if re.fullmatch(r"[\w/.+@%-]+", text) else f'"{text}"'


def hindrance() -> str | None:
    """Return why systemd cannot start this installation with one of our units, and what to do; None if it can."""
    places = (program(), Path(sys.executable), Path(os.__file__), Path(phoenix_producer.__file__))
    return refused(places[0]) or hidden(places) or closed(places, service_user())


def refused(path: Path) -> str | None:
    """Return why systemd takes no such path for a program's, however it is quoted (`string_is_safe` in its source)."""
    if _UNSAFE.search(str(path)):
        return f"{path} has a quote, a backslash or a control character, as no program of a unit may. {_ELSEWHERE}"
    return None


def hidden(places: Iterable[Path]) -> str | None:
    """Return which of these the units hide from their service, and what to do."""
    for place in _with_targets(places):
        for directory, line in _HIDDEN.items():
            if place.is_relative_to(directory):
                return f"{place} is below {directory}, which {line} hides from it. {_ELSEWHERE}"
    return None


def closed(places: Iterable[Path], reader: Reader) -> str | None:
    """Return which of these the user of the units cannot read, and what to do."""
    started = program()
    for place in _with_targets(places):
        for part in (*reversed(place.parents), place):
            try:
                state = part.stat()
            except OSError as error:
                return f"{part} cannot be read ({error.strerror}). {_ELSEWHERE}"
            wanted = stat.S_IXOTH if part.is_dir() or part == started else stat.S_IROTH
            if not reader.may(state, wanted):
                return f"the user {SERVICE_USER} may not read {part}. {_opened(part)}"
    return None


def _opened(part: Path) -> str:
    prefix = Path(sys.prefix)
    if part.is_relative_to(prefix):
        return f"To allow it: `chmod -R o+rX {shlex.quote(str(prefix))}`"
    return f"To allow it: `chmod o+x {shlex.quote(str(part))}`" if part.is_dir() else _ELSEWHERE


def _with_targets(places: Iterable[Path]) -> Iterable[Path]:
    """Give each path, and what it leads to: a link from /opt into a home leads nowhere for the service."""
    for place in places:
        yield place.absolute()
        yield place.resolve()


def service_user() -> Reader:
    """Return the user of the units; before it is made, somebody who owns nothing."""
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return Reader(-1, -1)
    return Reader(entry.pw_uid, entry.pw_gid)
