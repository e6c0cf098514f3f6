"""What proxmoxer sends its calls by: requests' own adapter, with all that calls have in common prepared once.

`requests.Session.request` merges headers, cookies, hooks and settings for each call, which takes as long as all of
the rest. None of them differs between two calls with a token.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from phoenix_worker.bounded_network import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import ConnectionPool

_NOT_PACKED = "identity"


class Sender:
    """A session of one thread with one host."""

    def __init__(self, session: requests.Session, url: str, *, verify: str | bool, fingerprint: str | None) -> None:
        """Prepare what the calls to `url` have in common, with the session's headers and its token."""
        # What is packed has no size that is known before it is unpacked.
        session.headers["Accept-Encoding"] = _NOT_PACKED
        session.trust_env = False
        self._common = session.prepare_request(requests.Request("GET", url))
        self._adapter = _Bounded(fingerprint)
        self._verify = verify
        self.timeout: tuple[float, float] = (0.0, 0.0)
        """Seconds for connecting and for the answer."""

    def request(
        self, method: str, url: str, data: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> requests.Response:
        """Make one call, as proxmoxer asks its session to; raises what requests raises."""
        prepared = self._common.copy()
        prepared.method = method
        prepared.prepare_url(url, params)
        prepared.prepare_body(data or {}, None)
        response = self._adapter.send(prepared, timeout=self.timeout, verify=self._verify)
        try:
            return _whole(response)
        except requests.RequestException:
            response.close()
            raise
        except ValueError as error:  # such as a chunk of a negative length
            response.close()
            raise requests.exceptions.ChunkedEncodingError(error) from error


def _whole(response: requests.Response) -> requests.Response:
    """Read an answer to its end, or its connection serves no other call. Raises what is none of Proxmox's."""
    if response.headers.get("Content-Encoding", _NOT_PACKED) != _NOT_PACKED:
        raise requests.exceptions.ContentDecodingError("the answer is compressed, which was not asked for")
    if response.status_code < HTTPStatus.OK:
        raise requests.ConnectionError(f"there is no answer after the status {response.status_code}")
    _ = response.content
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        # Proxmox redirects nobody, and a token is not for whoever does. proxmoxer would take it for an empty answer.
        raise requests.TooManyRedirects("Exceeded 0 redirects.", response=response)
    return response


class _Bounded(HTTPAdapter):
    """Bounds answers, and has urllib3 compare the certificate's fingerprint in each handshake, before it sends."""

    def __init__(self, fingerprint: str | None) -> None:
        self._pin: dict[str, Any] = {} if fingerprint is None else {"assert_fingerprint": fingerprint}
        self._connections: ConnectionPool | None = None
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options | self._pin)
        bounded(self.poolmanager)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the connections to the one host; requests looks them up by all that may differ between two."""
        if self._connections is None:
            self._connections = super().get_connection_with_tls_context(*args, **options)
        return self._connections
