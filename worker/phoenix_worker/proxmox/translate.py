"""From what came back to the two kinds of failure, at the edge: nothing of requests or proxmoxer gets past here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http.client import responses
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import NewConnectionError

from phoenix_worker.bounded_network import NoHandshakeError
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.tls_trouble import TlsTrouble, tls_trouble
from phoenix_worker.proxmox.error_row import TASK, Kind
from phoenix_worker.proxmox.error_table import (
    ANYTHING_ELSE,
    BAD_PARAMETER,
    LOST_ANSWER,
    NAMED_BY_LOGS,
    TABLE,
    UNKNOWN_OUTCOME,
    UNREACHABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phoenix_worker.core.model.ports import TaskEnd
    from phoenix_worker.proxmox.error_row import Row

_LOG_LINES = 5
_LONGEST = 4000
"""Characters of all that one answer says: it goes into results and logs."""
_LEADS_ELSEWHERE = re.compile(r"[?#%\\\s\x00-\x1f\x7f]")
_BROKEN_HANDSHAKE = re.compile(
    r"EOF occurred|UNEXPECTED_EOF|reset by peer|timed out|internal.error|bad.record.mac", re.IGNORECASE
)
UNTOLD_NEEDS = "the privileges for it"
_LOOKED_FOR = (
    "Correct the name that Proxmox refuses, in the catalog or in the settings (PHOENIX_NODE …). "
    "If it refuses another parameter, update Proxmox to a supported version."
)
_LOOK_AGAIN = "Send the request again: the worker first checks whether it was done."
NOT_PROXMOX = (
    "Check that PHOENIX_PROXMOX_HOST is the address of a Proxmox VE of a supported version, with no proxy in between."
)
_REACHABLE = "Check the address in PHOENIX_PROXMOX_HOST, the network, and that pveproxy runs on the node."
_ANOTHER_CERTIFICATE = "Fingerprints did not match"
_RENEWED = (
    "If the node's certificate was renewed, `pvenode cert info` on the node shows the new fingerprint for "
    "PHOENIX_PROXMOX_FINGERPRINT; if not, another host answers in its place."
)
_CA = "Set PHOENIX_PROXMOX_CA_FILE to a file with the cluster's CA certificate (/etc/pve/pve-root-ca.pem of a node)"
_NAME = "PHOENIX_PROXMOX_HOST to a name or address that the node's certificate carries"
_TLS = {
    TlsTrouble.NOT_TLS: (
        "What answers there does not speak TLS: correct address and port in PHOENIX_PROXMOX_HOST (pveproxy's is 8006)."
    ),
    TlsTrouble.EXPIRED: (
        "Renew the node's certificate: `pvecm updatecerts --force` or `pvenode acme cert order` on the node, then "
        "`systemctl reload pveproxy`. If it has not expired, correct this machine's clock."
    ),
    TlsTrouble.NOT_YET_VALID: (
        "Correct the clocks of this machine and of the node that made the certificate: timedatectl set-ntp true"
    ),
    TlsTrouble.OTHER_NAME: (f"Set {_NAME}: `pvenode cert info` on the node shows them."),
    TlsTrouble.WEAK: "Give the node a certificate with a longer key: `pvecm updatecerts --force` on the node.",
    TlsTrouble.NOTHING_IN_COMMON: (
        "Allow TLS 1.2 or 1.3 and current ciphers in /etc/default/pveproxy, or in what answers in its place."
    ),
    TlsTrouble.CLIENT_CERTIFICATE: (
        "Set PHOENIX_PROXMOX_HOST to Proxmox itself: what answers there wants a certificate of the client."
    ),
    TlsTrouble.UNTRUSTED: f"{_CA}, and {_NAME}.",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `doing` completes the sentence "Unable to …"; `needs` names the privileges that it takes."""

    method: str
    path: str
    doing: str
    needs: str = UNTOLD_NEEDS
    patient: bool = True
    """Whether a node that does not answer at once is given more time; if not, who asks has another way."""

    @property
    def changes_something(self) -> bool:
        """Whether it may have been done although no answer came."""
        return self.method != "GET"


def is_plain(path: str) -> bool:
    """Return whether a path leads where its parts say: what steps up, ends it early or is escaped leads elsewhere."""
    return all(part not in {"", ".", ".."} and not _LEADS_ELSEWHERE.search(part) for part in path.split("/"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What Proxmox said: the HTTP status, or TASK; the reason phrase; the body's message and wrong fields."""

    status: int
    reason: str = ""
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All of it on one line. A phrase that only repeats the status is the last choice."""
        said = [" ".join(text.split()) for text in (self.message, self.reason)]
        telling = [text for text in said if text and text != responses.get(self.status)]
        wrong = "; ".join(" ".join(f"{name}: {why}".split()) for name, why in self.fields.items())
        text = next(iter(telling or filter(None, said)), f"HTTP status {self.status}")
        return f"{text} {wrong}".strip()[:_LONGEST]


def error_of_answer(request: Request, answer: Answer) -> TransientError | PermanentError:
    """Translate an HTTP answer of 400 or more."""
    if answer.status in LOST_ANSWER and request.changes_something:
        return unknown_outcome(request, answer.words)
    error = _error(request.doing, answer, request.needs)
    if error.cause == BAD_PARAMETER and not request.changes_something:
        error.remedy = _LOOKED_FOR
    return error


def error_of_task(doing: str, end: TaskEnd) -> TransientError | PermanentError:
    """Translate the end of a task that failed; the last lines of its log are in the message.

    Where the end itself says nothing that is known, the log may name what passes, or a full storage.
    """
    row, groups = _row(TASK, end.exit_status, TABLE)
    if row is ANYTHING_ELSE:
        row, groups = _row(TASK, "\n".join(end.log_tail), NAMED_BY_LOGS)
    error = _failure(row, groups, doing, Answer(TASK, end.exit_status).words, "the privileges for it")
    log = " | ".join(line.strip() for line in end.log_tail[-_LOG_LINES:] if line.strip())
    if log:
        error.message += f" Its log ends: {log.rstrip('.')}."
        error.args = (error.message,)
    return error


def error_of_exception(
    request: Request, error: OSError, harmless: Callable[[str], str] = str
) -> TransientError | PermanentError:
    """Translate what requests raises when no answer came. Its exceptions are all OSErrors.

    A plain OSError is the file of the CA certificate. What may have been done all the same is `unknown-outcome`. In the
    words may be what somebody answered in the place of HTTP: `harmless` cuts them.
    """
    why = harmless(_wording(error))
    if isinstance(error, requests.exceptions.SSLError) and not _BROKEN_HANDSHAKE.search(why):
        remedy = _RENEWED if _ANOTHER_CERTIFICATE in why else _TLS[tls_trouble(why)]
        return PermanentError(_sentence(request.doing, why), cause="tls", remedy=remedy)
    if not isinstance(error, requests.RequestException):
        return PermanentError(_sentence(request.doing, why), cause="tls", remedy=_TLS[TlsTrouble.UNTRUSTED])
    if isinstance(error, requests.TooManyRedirects):
        return PermanentError(_sentence(request.doing, why), cause="not-proxmox", remedy=NOT_PROXMOX)
    if request.changes_something and not never_sent(error):
        return unknown_outcome(request, why)
    return TransientError(_sentence(request.doing, why), cause=UNREACHABLE, remedy=_REACHABLE)


def never_sent(error: OSError) -> bool:
    """Tell whether there was no connection yet. A TLS connection that breaks may break while the answer is read."""
    return isinstance(error, requests.ConnectTimeout) or any(
        isinstance(getattr(cause, "reason", None), NewConnectionError | NoHandshakeError) for cause in error.args
    )


def unknown_outcome(request: Request, why: str) -> TransientError:
    """Return the error of a call that may have been carried out although nothing of it is known."""
    message = f"{_sentence(request.doing, why)} Proxmox may have done it anyway."
    return TransientError(message, cause=UNKNOWN_OUTCOME, remedy=_LOOK_AGAIN)


def _error(doing: str, answer: Answer, needs: str) -> TransientError | PermanentError:
    words = answer.words
    return _failure(*_row(answer.status, words, TABLE), doing, words, needs)


def _failure(
    row: Row, groups: Mapping[str, str], doing: str, words: str, needs: str
) -> TransientError | PermanentError:
    remedy = row.remedy.format(needs=needs, ctid=_ctid(doing), **groups)
    failure = TransientError if row.kind is Kind.TRANSIENT else PermanentError
    return failure(_sentence(doing, words), cause=row.cause, remedy=remedy)


def _ctid(doing: str) -> str:
    """Return the one CTID that the words name; a clone has two, and which of them is meant is not known."""
    named = re.findall(r"(?:CT|template) (\d+)", doing)
    return named[0] if len(named) == 1 else "CTID"


def _row(status: int, words: str, rows: Sequence[Row]) -> tuple[Row, dict[str, str]]:
    for row in rows:
        if (not row.statuses or status in row.statuses) and (found := re.search(row.pattern, words)):
            return row, found.groupdict(default="")
    return ANYTHING_ELSE, {}


def _sentence(doing: str, why: str) -> str:
    return f"Unable to {doing}: {why.strip().rstrip('.')}."


def _wording(error: OSError) -> str:
    """Name the innermost reason: urllib3 wraps it in the host, the path and the number of attempts."""
    inner: BaseException = error
    while deeper := _deeper(inner):
        inner = deeper
    return " ".join(str(inner).split()) or type(error).__name__


def _deeper(error: BaseException) -> BaseException | None:
    """Return the exception within: a library's `reason`, which is a mere word in those of ssl, or an argument."""
    parts = (getattr(error, "reason", None), *error.args)
    return next((part for part in parts if isinstance(part, BaseException)), None)
