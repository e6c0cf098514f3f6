"""The server under a path that a proxy offers it at: whatever it names can be asked for there."""

from __future__ import annotations

import dataclasses
import re
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.http.tokens import Role
from tests.support.cli import invoke
from tests.support.http_door import HttpDoor, serving
from tests.support.reverse_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "/phoenix/lxc"
OUTDATED = 417


@pytest.fixture(scope="module", params=["strip", "keep"])
def door(
    answering_url: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[HttpDoor]:
    """A server as clients reach it: by the proxy."""
    with serving(answering_url, tmp_path_factory.mktemp("behind"), "--root-path", PREFIX) as server:
        operator = server.as_a(Role.OPERATOR)
        with proxied(server, PREFIX, request.param) as url:
            yield dataclasses.replace(operator, url=url)


def ways_in(text: str) -> list[tuple[str, str]]:
    """Method and path of each way by HTTP that a text names."""
    return re.findall(r"`(GET|POST) (/[^`]+)`", text)


def test_each_path_that_an_answer_names_is_there(door: HttpDoor) -> None:
    said = door.post(f"{PREFIX}/v1/containers/103/ensure")
    assert said.json["url"] == said.headers["location"] == f"{PREFIX}/v1/requests/{said.json['id']}"
    assert door.get(said.headers["location"]).json["what"] == "ensure 103"
    failed = door.post(f"{PREFIX}/v1/containers/{OUTDATED}/ensure?wait=30")
    place = failed.headers["location"]
    events = list(door.events(f"{place}/events"))
    plan = door.get(f"{PREFIX}/v1/plan?ctid={OUTDATED}").json
    for text in (
        failed.problem()["remedy"],
        door.get(place).json["failure"]["remedy"],
        events[-1]["data"]["detail"],
        plan[0]["remedy"],
    ):
        named = ways_in(text)
        assert named == [("POST", f"{PREFIX}/v1/containers/900/rebuild"), ("GET", f"{PREFIX}/v1/plan")], text
        assert [door.ask(method, path).status for method, path in named] == [202, 200]


def test_events_come_by_the_proxy_and_go_on_after_the_last_one(door: HttpDoor) -> None:
    place = door.post(f"{PREFIX}/v1/containers/103/ensure?wait=30").headers["location"]
    first, *rest = door.events(f"{place}/events")
    again = list(door.events(f"{place}/events", Last_Event_ID=first["id"]))
    assert (again, rest[-1]["event"]) == (rest, "done")
    (begin,) = islice(door.events(f"{PREFIX}/v1/events", Last_Event_ID="0-1"), 1)
    assert begin["data"]["kind"] == begin["event"]


def test_the_description_says_under_which_path_it_is(door: HttpDoor) -> None:
    assert door.get(f"{PREFIX}/v1/openapi.json").json["servers"] == [{"url": PREFIX}]


def test_the_page_and_its_files_are_there_for_everybody(door: HttpDoor) -> None:
    nobody = dataclasses.replace(door, token=None)
    index = nobody.get(f"{PREFIX}/").text
    files = re.findall(r'(?:src|href)="(static/[^"]+)"', index)
    assert len(files) > 2
    assert {nobody.get(f"{PREFIX}/{file}").status for file in files} == {200}
    assert nobody.get(f"{PREFIX}/v1/me").status == 401


def test_a_server_for_a_proxy_lets_nobody_in_without_tokens(answering_url: str, tmp_path: Path) -> None:
    """A proxy need not say that it is one, and `nginx` by default names this machine as the host."""
    with serving(answering_url, tmp_path, "--root-path", PREFIX) as server:
        said = server.get(f"{PREFIX}/v1/jobs")
        assert "Behind a proxy, tokens are required." in said.problem()["detail"]
        assert said.status == 403
        assert server.as_a(Role.VIEWER).get(f"{PREFIX}/v1/jobs").status == 200


@pytest.mark.parametrize(
    ("path", "why"),
    [(path, "begins paths of its own so") for path in ("/v1", "/static", "/v1/containers")]
    + [
        (path, "It is a path") for path in ("/", "//", "phoenix", "/a/", "/..", "/.", "/a/../b", "/a b", "/%2e", "/a\n")
    ],
)
def test_a_path_that_cannot_be_is_refused(path: str, why: str, tmp_path: Path) -> None:
    """One of the server's own, or one that browsers ask for under another name."""
    done = invoke("serve", "--port", "0", "--root-path", path, "--tokens", str(tmp_path / "none.json"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert why in " ".join(done.stderr.split())
