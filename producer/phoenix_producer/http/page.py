"""The page for people: files of this package, read once and served as they are.

They hold no secret, so they are for everybody; what the page shows it asks for with the token that its reader has.
"""

# No postponed annotations here: FastAPI reads them.
import hashlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from phoenix_producer.http.problems import Refused

page = APIRouter(include_in_schema=False)

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_READING = ["GET", "HEAD"]
_INDEX = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    """Read what is served: each file of the folder, by its name."""
    folder = files(__package__) / "static"
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return {name: _File(content, _type_of(name), _tag_of(content)) for name, content in contents.items()}


def paths(root_path: str) -> frozenset[str]:
    """Name the paths that need no token, as a proxy that strips its prefix sends them, and one that leaves it."""
    own = {"/", *(f"/static/{name}" for name in _files())}
    return frozenset({*own, *(root_path + path for path in own)})


@page.api_route("/", methods=_READING)
async def index(request: Request) -> Response:
    """Answer with the page."""
    return _answer(request, _files()[_INDEX])


@page.api_route("/static/{name}", methods=_READING)
async def static(request: Request, name: str) -> Response:
    """Answer with a file that the page consists of. Raises Refused for any other."""
    if name not in _files():
        raise Refused(HTTPStatus.NOT_FOUND, "The page has no such file.")
    return _answer(request, _files()[name])


def _answer(request: Request, file: _File) -> Response:
    """Answer with a file, which the browser may keep but asks for each time whether it is still the same."""
    headers = {"content-security-policy": _POLICY, "cache-control": "no-cache", "etag": file.tag}
    known = request.headers.get("if-none-match", "").split(",")
    if file.tag in {one.strip().removeprefix("W/") for one in known}:  # weak once a proxy has packed it
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _type_of(name: str) -> str:
    return _TYPES[name.rpartition(".")[2]]


def _tag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
