"""What stands before the endpoints: limits of a request, headers of a response, and who it is that asks."""

# No postponed annotations here: FastAPI reads them.
import asyncio
from collections.abc import Awaitable, Callable, Container
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phoenix_producer.client.trace_context import HEADER, passed_on
from phoenix_producer.contract import ContractError
from phoenix_producer.http.bodies import body_of, replayed
from phoenix_producer.http.gone import while_there
from phoenix_producer.http.problems import Refused
from phoenix_producer.http.problems import response as problem
from phoenix_producer.http.rates import Rates
from phoenix_producer.http.request_line import insist_on_version, to_origin_form
from phoenix_producer.http.this_machine import insist_on_this_machine
from phoenix_producer.http.tokens import Role, Token, TokenFile

NOBODY = Token(name="http", role=Role.OPERATOR)
"""Who asks on this machine while there are no tokens."""

_ROLES = list(Role)
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_NO_TOKENS = "The tokens cannot be read: `phoenix-lxc token list` says why."
_UNKNOWN = (
    "A valid token is required, in one header: `Authorization: Bearer TOKEN`; in a URL it is not read. "
    "Make one: phoenix-lxc token add NAME"
)
_ENDING = "The server ends. Ask again once it is there again."
_bearer = HTTPBearer(auto_error=False, description="A token of `phoenix-lxc token add`.")


class Door:
    """Lets in who has a token. Without any, whoever is on this machine; once there were some, nobody without."""

    def __init__(self, file: TokenFile) -> None:
        self._file = file
        self.is_open = not file.tokens()

    def allowed(self, secret: str | None) -> Token | None:
        """Return whose secret it is. Raises ContractError for a file that cannot be read."""
        if self.is_open and self._file.tokens():
            self.is_open = False
        if self.is_open:
            return NOBODY
        return self._file.find(secret) if secret else None

    def admits(self, secret: str | None, token: Token) -> bool:
        """Tell whether somebody is let in still as who he was: the role of a token may have been changed meanwhile."""
        try:
            return self.allowed(secret) == token
        except ContractError:
            return False


class Guard:
    """ASGI middleware: who asks, and how often, is known before a body is read, which has a size and a time.

    Each response has headers that browsers heed. What is at `public` is for everybody; who leaves out the slash after
    the prefix of a proxy is sent there, for the page's relative URLs.
    """

    def __init__(self, app: ASGIApp, door: Door, rates: Rates, public: Container[str], root_path: str) -> None:
        self._app, self._door, self._rates = app, door, rates
        self._public, self._root_path = public, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request of somebody who may ask, once its body is there."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        to_origin_form(scope)
        answer = _Answer(send)
        try:
            await self._answer(scope, receive, answer)
        except asyncio.CancelledError:  # the server ends, and has waited for the others as long as it does
            await answer.end(scope, receive)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if self._root_path and scope["path"] == self._root_path:
            await RedirectResponse(f"{self._root_path}/")(scope, receive, answer)
            return
        headers = Headers(scope=scope)
        with ExitStack() as until_answered:
            try:
                insist_on_version(scope)
                if scope["path"] not in self._public:
                    scope["phoenix_token"] = token = self._who_asks(headers)
                    self._rates.count(token)
                    until_answered.enter_context(self._rates.open(token))
                body = await body_of(headers, receive)
            except Refused as error:
                await _refusal(error)(scope, receive, answer)
                return
            until_answered.enter_context(passed_on(headers.get(HEADER)))
            send: Send = answer
            if scope["path"] not in self._public:
                send = _while_welcome(lambda: self._who_asks(headers), scope, receive, answer)
            await while_there(self._app(scope, replayed(body, receive), send), receive, lambda: answer.is_over)

    def _who_asks(self, headers: Headers) -> Token:
        """Find out who asks. Raises Refused for nobody."""
        try:
            token = self._door.allowed(secret_in(headers))
        except ContractError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, _NO_TOKENS) from error
        if token is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, _UNKNOWN, **{"WWW-Authenticate": "Bearer"})
        if self._door.is_open:
            insist_on_this_machine(headers, behind_proxy=bool(self._root_path))
        return token


class _Answer:
    """What a client is sent: each response has headers that browsers heed."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_begun = self.is_over = False

    async def __call__(self, message: Message) -> None:
        """Send what is next of the answer."""
        if message["type"] == "http.response.start":
            self._is_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        else:
            self.is_over = not message.get("more_body", False)
        await self._send(message)

    async def end(self, scope: Scope, receive: Receive) -> None:
        """End it as it is; without a beginning, say why."""
        if not self._is_begun:
            refused = Refused(HTTPStatus.SERVICE_UNAVAILABLE, _ENDING, **{"Retry-After": "5"})
            await _refusal(refused)(scope, receive, self)
        elif not self.is_over:
            await self({"type": "http.response.body"})


def _refusal(error: Refused) -> Response:
    return problem(error.status, error.detail, {**error.headers, "Connection": "close"})


def _while_welcome(ask: Callable[[], Token], scope: Scope, receive: Receive, send: Send) -> Send:
    """Send an answer only to who may ask still when it is there: a token may be revoked while a request waits."""
    is_refused = False

    async def checked(message: Message) -> None:
        nonlocal is_refused
        if message["type"] == "http.response.start":
            try:
                ask()
            except Refused as error:
                is_refused = True
                await _refusal(error)(scope, receive, send)
        if not is_refused:
            await send(message)

    return checked


def secret_in(headers: Headers) -> str | None:
    """Return the token in a request's headers; none of two, of which a proxy may have checked the other one."""
    given = headers.getlist("authorization")
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return secret.strip() if scheme.lower() == "bearer" else None


async def asking(request: Request, _shown: Annotated[object, Security(_bearer)]) -> Token:
    """Return whose request it is, as the guard has found out; the bearer is there for the description alone."""
    token: Token = request.scope["phoenix_token"]
    return token


Asking = Annotated[Token, Depends(asking)]


def at_least(role: Role) -> Callable[[Token], Awaitable[Token]]:
    """Return a dependency that wants a role. Like all of them a coroutine: others cost a thread each time."""

    async def check(token: Asking) -> Token:
        if _ROLES.index(token.role) < _ROLES.index(role):
            raise Refused(HTTPStatus.FORBIDDEN, f"This needs the role {role}; the token has {token.role}.")
        return token

    return check
