"""Who may ask by HTTP: tokens with roles, in a file that has their hashes alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from phoenix_producer.client.regular_files import read_regular
from phoenix_producer.contract import ContractError
from phoenix_producer.ctids import Ctid  # noqa: TC001 - pydantic reads it at run time
from phoenix_producer.http.rewriting import rewriting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKENS_VARIABLE = "PHOENIX_HTTP_TOKENS"

_PREFIX = "phx_"
_BYTES = 32
"""So many that their hash can be fast: nobody tries them all."""
_MOST_BYTES = 16 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Role(StrEnum):
    """What a token is for. Each may do what the ones before it may."""

    VIEWER = "viewer"
    """Look: requests, events, jobs, locks, status, drift, plan."""
    REQUESTER = "requester"
    """Ensure, and cancel what it could have asked for; of all CTIDs, or of those that are named."""
    OPERATOR = "operator"
    """All: destroy, rebuild, adopt, migrate, drain, cancel any job."""


class Token(BaseModel):
    """One token, as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    role: Role
    ctids: tuple[Ctid, ...] = ()
    """Of a requester: the only ones that it may ask for; empty for all."""
    sha256: str = ""
    created: str = ""

    def may_ask_for(self, ctid: int | None) -> bool:
        """Tell whether it may have this container ensured, or such a job cancelled."""
        if self.role is Role.REQUESTER:
            return not self.ctids or ctid in self.ctids
        return self.role is Role.OPERATOR


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[Token, ...] = ()


def default_path() -> Path:
    """Name the file of a user who has named none. Raises ContractError for a user who has no home."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(configured) if configured else Path.home() / ".config") / "phoenix-lxc" / "tokens.json"
    except RuntimeError:
        raise ContractError(f"This user has no home directory: name the file of tokens in {TOKENS_VARIABLE}.") from None


class TokenFile:
    """The tokens in one file. It is read again when it changes, so that a revoked token ends at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens; none if there is no file. Raises ContractError for a file that others may read."""
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                self._seen, self._tokens = None, ()
                return ()
            except OSError as error:
                raise ContractError(f"The tokens in {self.path} cannot be read ({error.strerror}).") from None
            # Copies keep the time of the last change; nobody can set that of the last change of any kind.
            version = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
            if version != self._seen:
                self._tokens = _read(self.path, found.st_mode)
                self._seen = version
            return self._tokens

    def find(self, secret: str) -> Token | None:
        """Return the token that this is, if it is one."""
        digest = _digest(secret)
        return next((one for one in self.tokens() if secrets.compare_digest(one.sha256, digest)), None)

    def add(
        self, name: str, role: Role, ctids: tuple[int, ...] = (), show: Callable[[str], object] = lambda _: None
    ) -> str:
        """Make a token, show it and return it: nothing can show it again, so one that was not shown is not kept.

        Raises ContractError, and what `show` raises.
        """
        if not _NAME.fullmatch(name):
            raise ContractError("The name of a token has letters, digits, '.', '_' and '-': 64 of them at most.")
        if ctids and role is not Role.REQUESTER:
            raise ContractError(f"A token of a {role} is for all CTIDs; only one of a requester may name some.")
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        created = datetime.now(UTC).isoformat(timespec="seconds")  # noqa: TID251 - for people alone
        made = Token(name=name, role=role, ctids=ctids, sha256=_digest(secret), created=created)
        try:
            self._keep(made)
            show(secret)
        except ContractError:
            raise
        except BaseException:  # a signal too, whenever it comes
            self._withdraw(made)
            raise
        return secret

    def _keep(self, made: Token) -> None:
        with self._rewriting() as write:
            known = self.tokens()
            if any(one.name == made.name for one in known):
                raise ContractError(f"There is a token {made.name} already. Revoke it first, or choose another name.")
            write((*known, made))

    def _withdraw(self, made: Token) -> None:
        with self._rewriting() as write:
            known = self.tokens()
            if made in known:
                write(tuple(one for one in known if one != made))

    def revoke(self, name: str) -> None:
        """Remove a token. Raises ContractError if there is none of that name."""
        with self._rewriting() as write:
            known = self.tokens()
            left = tuple(one for one in known if one.name != name)
            if left == known:
                raise ContractError(f"There is no token {name} in {self.path}.")
            write(left)

    @contextmanager
    def _rewriting(self) -> Iterator[Callable[[tuple[Token, ...]], None]]:
        """Give the block, while no other command is in one, what writes tokens, for their owner alone."""
        try:
            with rewriting(self.path) as replace:
                yield lambda tokens: replace(f"{_text(tokens)}\n")
        except OSError as error:
            raise ContractError(f"The tokens in {self.path} cannot be written ({error.strerror}).") from None


def _text(tokens: tuple[Token, ...]) -> str:
    return json.dumps(_File(tokens=tokens).model_dump(mode="json"), indent=2)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _read(path: Path, mode: int) -> tuple[Token, ...]:
    if mode & _OTHERS:
        raise ContractError(f"Others than its owner may read or write {path}. Run: chmod 600 {path}")
    try:
        return _File.model_validate_json(read_regular(path, _MOST_BYTES)).tokens
    except ValidationError:
        raise ContractError(f"{path} is not a file of tokens. Move it away, and make the tokens again.") from None
    except OSError as error:
        raise ContractError(f"The tokens in {path} cannot be read ({error.strerror}).") from None
