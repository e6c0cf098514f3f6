"""One way through to Proxmox's HTTPS API: every call of the project is made by `Connection.call`.

TLS is always verified, by CAs, by a fingerprint or by both; every call is bounded in time and size, each thread of each
process has a session of its own, and nothing is taken from the environment: no proxies, no `REQUESTS_CA_BUNDLE`, no
`~/.netrc`.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Never

from proxmoxer.backends.https import Backend
from proxmoxer.core import ProxmoxResource, ResourceException

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.api_hosts import PORT, ApiHosts, is_of_address
from phoenix_worker.proxmox.json_answers import NotProxmoxError, Serializer
from phoenix_worker.proxmox.sessions import Sender
from phoenix_worker.proxmox.silence import FIRST_SECONDS, NoAnswerError, Silence, node_of
from phoenix_worker.proxmox.translate import (
    NOT_PROXMOX,
    Answer,
    Request,
    error_of_answer,
    error_of_exception,
    is_plain,
    never_sent,
)
from phoenix_worker.proxmox.understood import fields_of, rows_of, task_of

if TYPE_CHECKING:
    from collections.abc import Callable


_OK, _NO_ANSWER = "200", "none"
_WORDS, _NAME, _FIELDS = 2000, 100, 20
"""Characters that are kept of what an error says and of a parameter's name, and of how many parameters it speaks."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach Proxmox. `host` may carry a port; several of one cluster are separated by commas.

    Without `ca_file` the machine's own CAs count. With `fingerprint`, SHA-256 in hexadecimal, only the certificate that
    has it is accepted, whatever name it bears: who signed it counts only if there is a `ca_file` too (ADR 9). Each of
    several hosts has its own, in their order.
    """

    host: str
    user: str
    """The owner of the API token, with its realm."""
    token_name: str
    token_value: str = field(repr=False)
    ca_file: str | None = None
    fingerprint: str | None = None
    connect_seconds: float = 5.0
    read_seconds: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a secret that cannot be in a header: http.client would show it in its own error."""
        if not self.token_value.isascii() or not self.token_value.isprintable() or " " in self.token_value:
            raise PermanentError(
                "The secret of the Proxmox API token has characters that a secret cannot have, such as a line break.",
                cause="proxmox-login",
                remedy="Correct PHOENIX_PROXMOX_TOKEN_VALUE.",
            )

    @property
    def hosts(self) -> tuple[tuple[str, str | None], ...]:
        """Each host, with the fingerprint of its certificate if there are any."""
        hosts = tuple(self.host.split(","))
        pins = self.fingerprint.split(",") if self.fingerprint else [None] * len(hosts)
        return tuple(zip(hosts, pins, strict=True))

    def each(self) -> tuple[Access, ...]:
        """Return the same for each host alone."""
        return tuple(replace(self, host=host, fingerprint=fingerprint) for host, fingerprint in self.hosts)

    @property
    def token_id(self) -> str:
        """The name that our own tasks carry: `user@realm!token`."""
        return f"{self.user}!{self.token_name}"


class Connection:
    """The sessions, one per thread and process. `on_call` hears of every call just before it is made.

    `on_answer` hears of it afterwards: its status (`none` without an answer) and how many seconds it took.
    """

    def __init__(
        self,
        access: Access,
        on_call: Callable[[Request], None] | None = None,
        on_answer: Callable[[Request, str, float], None] | None = None,
    ) -> None:
        self._access = access
        self._on_call = on_call
        self._on_answer = on_answer
        self._local = threading.local()
        self._hosts = ApiHosts([host for host, _ in access.hosts])
        self._silence = Silence(access.read_seconds)

    def call(self, request: Request, **params: str | int) -> Any:
        """Make one call; returns the answer's `data`. Raises TransientError or PermanentError.

        The parameters of a GET or DELETE go into the query, others into a form. A call that is passed on to a silent
        node is not made, but for one at a time: NoAnswerError.
        """
        if not is_plain(request.path):
            raise PermanentError(
                f"Unable to {request.doing}: {request.path!r} is not the path of one thing.",
                cause="bad-parameter",
                remedy="Look for who has written to Redis: names of nodes and of tasks are kept there.",
            )
        node = node_of(request)
        if node is None:
            return self._ask(request, params, self._access.read_seconds)
        try:
            return self._ask_node(node, request, params)
        except NoAnswerError as error:
            if error.within >= self._access.read_seconds or not request.patient:
                raise
        return self._ask_node(node, request, params, longer=True)

    def rows(self, request: Request, **params: str | int) -> list[dict[str, Any]]:
        """Make a call that answers a list of objects. Raises TransientError for an answer that is none."""
        return rows_of(request, self.call(request, **params))

    def fields(self, request: Request, **params: str | int) -> dict[str, Any]:
        """Make a call that answers an object. Raises TransientError for an answer that is none."""
        return fields_of(request, self.call(request, **params))

    def task(self, request: Request, **params: str | int) -> str:
        """Make a call that starts a task; returns its UPID. Raises TransientError for an answer that is no text."""
        return task_of(request, self.call(request, **params))

    def _ask_node(self, node: str, request: Request, params: dict[str, str | int], *, longer: bool = False) -> Any:
        with self._silence.asking(node, request, longer=longer) as turn:
            try:
                answer = self._ask(request, params, turn.seconds)
            except _HungError as hung:
                turn.unanswered()
                if request.changes_something:
                    raise error_of_exception(request, hung.why) from hung.why
                why = f"{node} did not answer in {turn.seconds:g} s"
                raise NoAnswerError(request, why, within=turn.seconds) from hung.why
            except (TransientError, PermanentError) as error:
                if not isinstance(error.__cause__, OSError):
                    turn.answered()
                raise
            turn.answered()
            return answer

    def _ask(self, request: Request, params: dict[str, str | int], seconds: float) -> Any:
        """Ask the address that is asked just now; where that cannot be asked, the others, each once."""
        failed: list[tuple[int, TransientError | PermanentError]] = []
        for place in self._hosts.in_order():
            try:
                return self._ask_one(place, request, params, seconds)
            except _AddressError as error:
                self._hosts.leave(place, error.failure.message)
                failed.append((place, error.failure))
        raise self._hosts.failure(request, failed)

    def _ask_one(self, place: int, request: Request, params: dict[str, str | int], seconds: float) -> Any:
        if self._on_call is not None:
            self._on_call(request)
        status, began = _NO_ANSWER, time.monotonic()
        try:
            answer = self._send(place, request, params, seconds)
            status = _OK
        except ResourceException as error:
            status = str(error.status_code)
            failure = error_of_answer(request, self._answer(error))
            _raise(failure, error, elsewhere=is_of_address(request, error.status_code))
        except OSError as error:
            self._no_answer(place, request, error, seconds if time.monotonic() - began >= seconds else None)
        except NotProxmoxError as error:
            _raise(_no_api(request, self.harmless(error)), error, elsewhere=not request.changes_something)
        finally:
            if self._on_answer is not None:
                self._on_answer(request, status, time.monotonic() - began)
        return answer

    def _send(self, place: int, request: Request, params: dict[str, str | int], seconds: float) -> Any:
        root, sender = self._root(place)
        sender.timeout = (self._access.connect_seconds, seconds)
        return getattr(root(request.path), request.method.lower())(**params)

    def _no_answer(self, place: int, request: Request, error: OSError, hung: float | None) -> Never:
        """Tell an address that is away from a node behind it that is."""
        behind = node_of(request) is not None and hung is not None and not never_sent(error)
        if behind and (len(self._access.hosts) == 1 or self._answers(place)):
            raise _HungError(error) from error
        failure = error_of_exception(request, error, self.harmless)
        elsewhere = never_sent(error) or not request.changes_something
        if not elsewhere:  # it may have been done here
            self._hosts.leave(place, failure.message)
        _raise(failure, error, elsewhere=elsewhere)

    def _answers(self, place: int) -> bool:
        """Ask for the version, which is passed on to no node."""
        request = Request("GET", "version", "ask Proxmox for its version")
        if self._on_call is not None:
            self._on_call(request)
        try:
            self._send(place, request, {}, FIRST_SECONDS)
        except OSError:
            return False
        except (ResourceException, NotProxmoxError):
            return True
        return True

    def _answer(self, error: ResourceException) -> Answer:
        fields = error.errors.get("errors")
        return Answer(
            status=error.status_code,
            reason=self.harmless(error.content or ""),
            message=self.harmless(error.errors.get("message") or ""),
            fields={self.harmless(name)[:_NAME]: self.harmless(why) for name, why in islice(fields.items(), _FIELDS)}
            if isinstance(fields, dict)
            else {},
        )

    def harmless(self, words: Any) -> str:
        """Cut what Proxmox says, and take our own secret out of it: it goes into results and logs."""
        return str(words).replace(self._access.token_value, "***")[:_WORDS]

    def _root(self, place: int) -> tuple[ProxmoxResource, Sender]:
        """Return the session of this thread. A forked process makes its own: two must not share a TLS connection."""
        local = self._local
        if getattr(local, "process", None) != os.getpid():
            local.process, local.roots = os.getpid(), {}
        roots: dict[int, tuple[ProxmoxResource, Sender]] = local.roots
        if place not in roots:
            roots[place] = self._connect(*self._access.hosts[place])
        return roots[place]

    def _connect(self, host: str, fingerprint: str | None) -> tuple[ProxmoxResource, Sender]:
        """Build what `proxmoxer.ProxmoxAPI` builds, which offers no way to its session and its serializer."""
        access = self._access
        verify = access.ca_file or fingerprint is None
        backend = Backend(
            host,
            port=PORT,
            user=access.user,
            token_name=access.token_name,
            token_value=access.token_value,
            verify_ssl=verify,
        )
        url = backend.get_base_url()
        sender = Sender(backend.get_session(), url, verify=verify, fingerprint=fingerprint)
        return ProxmoxResource(base_url=url, session=sender, serializer=Serializer()), sender


class _AddressError(Exception):
    """An address is at fault, and did nothing: another may be asked."""

    def __init__(self, failure: TransientError | PermanentError) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _HungError(Exception):
    """It was sent, and no answer came in the time that it was given; the node behind the address is at fault."""

    def __init__(self, why: OSError) -> None:
        super().__init__(str(why))
        self.why = why


def _raise(failure: TransientError | PermanentError, why: Exception, *, elsewhere: bool) -> Never:
    """Raise it, or have the next address asked."""
    failure.__cause__ = why
    if elsewhere:
        raise _AddressError(failure)
    raise failure


def _no_api(request: Request, why: str) -> TransientError | PermanentError:
    """Whatever stands before Proxmox may be there for a moment only, unless it took an order."""
    failure = error_of_answer(request, Answer(502, message=why))
    if not request.changes_something:
        failure.remedy = NOT_PROXMOX
    return failure
