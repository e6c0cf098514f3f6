"""What counts as asked on this machine, while there are no tokens: nothing that the page of another site sends."""

from __future__ import annotations

import re
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{1,5})?")
_OF_PROXIES = re.compile(r"forwarded|via|x-real-ip|x-forwarded-.*")
_OWN = {"same-origin", "none"}
"""What a browser says of a request (`Sec-Fetch-Site`) that our own page makes, or its reader by typing the address."""


def is_loopback(host: str) -> bool:
    """Tell whether a host to bind or a `Host` header names this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def insist_on_this_machine(headers: Headers, *, behind_proxy: bool) -> None:
    """Refuse what a browser's page or a proxy sends on behalf of others; a proxy need not say that it is one.

    A request without side effects counts too: to look at Proxmox is work for the workers, and an image or a link of any
    site can ask for it without an `Origin`.
    """
    if not (_names_this_machine(headers.get("host", "")) and _is_of_our_page(headers)):
        raise Refused(
            HTTPStatus.FORBIDDEN, "Without tokens only this machine may ask. Make one: phoenix-lxc token add NAME"
        )
    if behind_proxy or any(map(_OF_PROXIES.fullmatch, headers)):
        raise Refused(HTTPStatus.FORBIDDEN, "Behind a proxy, tokens are required. Make one: phoenix-lxc token add NAME")


def _names_this_machine(host: str) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1] or found[2])


def _is_of_our_page(headers: Headers) -> bool:
    """Tell so of what a browser sends; programs name no origin. TLS ends at a proxy, so the scheme is http."""
    own = f"http://{headers.get('host')}"
    return headers.get("sec-fetch-site", "none") in _OWN and {own} >= set(headers.getlist("origin"))
