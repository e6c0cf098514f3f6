"""The page's files as the server serves them, and what it asks for besides. How it looks: `make test-browser`."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.http.tokens import Role
from tests.support.http_door import HttpDoor, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

STATIC = files("phoenix_producer.http") / "static"
NAMES = sorted(file.name for file in STATIC.iterdir() if file.is_file())
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
REFERENCE = re.compile(r"""(?:src|href)="([^"#]+)"|^import [^']*'([^']+)'|url\(([^)]*)\)""", re.MULTILINE)
ELSEWHERE = re.compile(r"""(?<!xmlns=")\b\w+://|["'(]//""")
INLINE = re.compile(
    r"""<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|innerHTML|outerHTML|\beval\(|write\("""
)


@pytest.fixture(scope="module")
def locked(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    """A server with tokens, behind a proxy with a prefix; asked without one."""
    with serving(answering_url, tmp_path_factory.mktemp("page"), "--root-path", "/phoenix") as door:
        door.as_a(Role.OPERATOR, name="first")
        yield door


def test_each_file_is_served_to_everybody_with_its_type_and_what_browsers_heed(locked: HttpDoor) -> None:
    for name in NAMES:
        for path in (f"/static/{name}", f"/phoenix/static/{name}"):
            said = locked.get(path)
            assert (said.status, said.text) == (200, (STATIC / name).read_text())
            assert said.headers["content-type"] == TYPES[name.rpartition(".")[2]]
            assert said.headers["cache-control"] == "no-cache"
            assert said.headers["x-content-type-options"] == "nosniff"
            policy = said.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
                policy.split("; ")
            )
        for known in (said.headers["etag"], f"W/{said.headers['etag']}", f'"another", {said.headers["etag"]}'):
            assert locked.get(path, If_None_Match=known).status == 304
        assert locked.get(path, If_None_Match='"another"').status == 200


@pytest.mark.parametrize("name", NAMES)
def test_no_file_refers_to_the_internet_or_has_code_inline(name: str) -> None:
    text = (STATIC / name).read_text()
    assert not ELSEWHERE.search(text)
    assert not INLINE.search(text)
    for found in REFERENCE.finditer(text):
        reference = next(filter(None, found.groups()))
        assert reference.removeprefix("static/").removeprefix("./") in NAMES


def test_the_page_is_at_the_root_and_at_the_root_of_a_prefix(locked: HttpDoor) -> None:
    for path in ("/", "/phoenix/", "/phoenix"):  # the last one is redirected
        assert locked.get(path).text == (STATIC / "index.html").read_text()


def test_all_code_is_asked_for_with_the_page(locked: HttpDoor) -> None:
    """And not file after file, as each names the next: over a slow line that is most of the time until it is shown."""
    named = set(re.findall(r'"static/([^"]+[.]js)"', locked.get("/").text))
    assert named == {name for name in NAMES if name.endswith(".js")}


def test_nothing_else_is_served_without_a_token(locked: HttpDoor) -> None:
    viewer = locked.as_a(Role.VIEWER)
    for path in ("/static/", "/static/..%2fpage.py", "/static/page.py", "/static", "/index.html", "/phoenix2/"):
        assert locked.get(path).problem()["status"] == 401
        assert viewer.get(path).problem()["status"] == 404


def test_only_reading_is_for_everybody(locked: HttpDoor) -> None:
    assert locked.post("/static/app.js", b"{}").problem()["status"] == 405
    assert locked.get("/v1/me").problem()["status"] == 401


def test_who_asks_is_told_what_he_is(locked: HttpDoor) -> None:
    requester = locked.as_a(Role.REQUESTER, 103, name="billing").get("/v1/me")
    assert requester.json == {"name": "billing", "role": "requester", "ctids": [103], "open": False}


def test_the_jobs_of_a_ctid_and_the_newest_of_all(locked: HttpDoor) -> None:
    door = locked.as_a(Role.OPERATOR)
    ids = [door.post(f"/v1/containers/{ctid}/ensure?wait=30").json["request_id"] for ctid in (103, 106, 103, 106)]
    told = [job["id"] for job in door.get("/v1/jobs?all=true&ctid=103").json]
    assert told[-2:] == [ids[0], ids[2]]
    assert ids[1] not in told
    assert [job["id"] for job in door.get("/v1/jobs?all=true&newest=2").json] == ids[-2:]
    assert [job["id"] for job in door.get("/v1/jobs?all=true&newest=1&ctid=103").json] == ids[2:3]
    assert door.get("/v1/jobs?ctid=107&newest=5").json == []
    assert door.get("/v1/jobs?newest=0").problem()["status"] == 400
