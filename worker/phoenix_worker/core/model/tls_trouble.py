"""What kind of trouble the words of a failed TLS handshake are: each has a remedy of its own."""

from __future__ import annotations

import re
from enum import Enum, auto


class TlsTrouble(Enum):
    """Why there is no verified connection."""

    NOT_TLS = auto()
    """What answers at this port does not speak TLS."""
    EXPIRED = auto()
    NOT_YET_VALID = auto()
    OTHER_NAME = auto()
    """The certificate bears another name or address."""
    WEAK = auto()
    """Its key or signature is weaker than this machine accepts."""
    NOTHING_IN_COMMON = auto()
    """No version of TLS, or no cipher."""
    CLIENT_CERTIFICATE = auto()
    """The other side wants one of ours."""
    UNTRUSTED = auto()
    """Nobody whom we trust signed it; also whatever else OpenSSL says."""


_WORDS = {
    TlsTrouble.NOT_TLS: r"wrong.version.number|record layer failure|http.request|unknown.protocol|length.too.long",
    TlsTrouble.EXPIRED: r"certificate has expired|certificate_expired|alert certificate expired",
    TlsTrouble.NOT_YET_VALID: r"certificate is not yet valid",
    TlsTrouble.OTHER_NAME: r"(hostname|ip address) mismatch|not valid for|doesn't match|unrecognized.name",
    TlsTrouble.WEAK: r"too.weak|key.too.small",
    TlsTrouble.NOTHING_IN_COMMON: r"protocol.version|unsupported.protocol|no.shared.cipher|handshake.failure",
    TlsTrouble.CLIENT_CERTIFICATE: r"certificate.required|peer.did.not.return.a.certificate",
}


def tls_trouble(words: str) -> TlsTrouble:
    """Tell from OpenSSL's words what is wrong."""
    found = (trouble for trouble, pattern in _WORDS.items() if re.search(pattern, words, re.IGNORECASE))
    return next(found, TlsTrouble.UNTRUSTED)
