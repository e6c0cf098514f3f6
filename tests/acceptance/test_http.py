"""The page on HTTP, from end to end: its commands in their order, before a real worker and the simulator."""

from __future__ import annotations

import re
import shlex
from http import HTTPStatus
from string import Template
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.http.tokens import Role
from tests.acceptance.scenes import stand
from tests.support.http_door import HttpDoor, Said, serving
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product

PAGE = ROOT / "docs" / "http.md"
COMMANDS = re.findall(r"^curl .*$", PAGE.read_text(), re.MULTILINE)


def curl(command: str, door: HttpDoor) -> Said:
    """Do what curl would do, which is not on every machine."""
    words = iter(shlex.split(Template(command).substitute(URL="", TOKEN=door.token))[1:])
    method, headers, body, path = "GET", {}, None, ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words).encode()
        elif word not in {"-sS", "-N"}:
            path = word
    return door.ask(method, path, body, **headers)


def test_the_page_does_what_it_says(product: Product, tmp_path: Path) -> None:
    product.start_worker()
    with serving(product.redis_url, tmp_path) as server:
        door = server.as_a(Role.REQUESTER, 103, name="billing")
        made, dry, again, view, events, status, jobs = (curl(command, door) for command in COMMANDS)
        assert (made.status, made.json["outcome"], made.json["node"]) == (200, "created", "pve1")
        assert {step["name"] for step in made.json["steps"]} >= {"create", "clone", "start"}
        assert (dry.status, dry.json["outcome"], dry.json["dry_run"]) == (200, "unchanged", True)
        assert (again.status, view.status) == (202, 200)
        assert view.json["requester"] == "billing"
        assert re.findall(r"^event: (\S+)$", events.text, re.MULTILINE)[-1] == "done"
        assert [(one["ctid"], one["exists"], one["running"]) for one in status.json] == [(103, "container", True)]
        assert {job["what"] for job in jobs.json} >= {"ensure 103"}
        ended = [one["data"]["request"] for one in events_until_done(door)]
        assert "phoenix.ensure" in ended
    assert product.status(103) == "running"


def events_until_done(door: HttpDoor) -> list[dict[str, dict[str, str]]]:
    """All events from the first one on, until one says that something is done."""
    told = []
    for event in door.events("/v1/events", Last_Event_ID="0-0"):
        told.append(event)
        if event["event"] == "done":
            break
    return told


def do_by_http(door: HttpDoor, remedy: str) -> list[str]:
    """Send what a remedy says after `By HTTP`, each request as it is printed, and wait for it."""
    told = remedy.partition("By HTTP: ")[2]
    requests = re.findall(r"`(POST|GET) (/v1/[^`]+)`(?: with `({[^`]+})`)?", told)
    for method, path, body in requests:
        said = door.ask(method, f"{path}?wait=60", body.encode() or b"{}" if method == "POST" else None)
        assert said.status == HTTPStatus.OK, (path, said.text)
    return [path for _, path, _ in requests]


@pytest.mark.long
def test_what_a_remedy_says_to_do_by_http_is_done_by_http(product: Product, tmp_path: Path) -> None:
    product.declare(
        {900: template(), 103: container(103), 104: container(104), 105: container(105, storage_size_gb=16)}
    )
    product.start_worker()
    product.ensure(105)
    product.declare({900: template(), 103: container(103), 104: container(104), 105: container(105)})
    stand(product, 103)
    with serving(product.redis_url, tmp_path) as server:
        door = server.as_a(Role.OPERATOR)

        def ensured(ctid: int) -> Said:
            return door.post(f"/v1/containers/{ctid}/ensure?wait=60", {})

        theirs = ensured(103)
        assert theirs.json["cause"] == "not-ours"
        (option,) = re.findall(r"`--adopt` is `([^`]+)` in the body", theirs.json["remedy"])
        adopted = door.ask("POST", "/v1/containers/103/ensure?wait=60", f"{{{option}}}".encode())
        assert adopted.status == HTTPStatus.OK, adopted.text
        assert door.post(f"/v1/nodes/{NODE}/drain?wait=60", {}).status == HTTPStatus.OK
        drained = ensured(104)
        assert drained.json["cause"] == "node-drained"
        assert do_by_http(door, drained.json["remedy"]) == [f"/v1/nodes/{NODE}/undrain"]
        assert ensured(104).status == HTTPStatus.OK
        (told,) = ensured(105).json["needs_rebuild"]
        assert do_by_http(door, told) == ["/v1/containers/105/destroy", "/v1/containers/105/ensure"]
        assert ensured(105).json["needs_rebuild"] == []
