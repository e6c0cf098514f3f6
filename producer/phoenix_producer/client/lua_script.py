"""A Lua script that runs on whichever server answers."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from redis import Redis


class LuaScript:
    """Runs one script, sent by its digest where the server knows it.

    redis-py's own `Script` loads what a server does not know and then asks again by the digest: two commands, and after
    the first another server may have become the master. Here the second carries the text, so that it runs where it
    arrives.
    """

    def __init__(self, client: Redis, text: str) -> None:
        self._client = client
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, *args: str | float) -> Any:
        """Run it. Returns its answer; raises what redis-py raises."""
        try:
            return self._client.evalsha(self.digest, 0, *args)
        except NoScriptError:
            return self._client.eval(self.text, 0, *args)
