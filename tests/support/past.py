"""All of Redis as it was at one moment, to go back to: an AOF cut short, or a replica that was behind."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, cast

from redis import Redis

from phoenix_worker.durable import crash_points

if TYPE_CHECKING:
    from pathlib import Path

KEEP_IN, KEEP_AT = "KEEP_PASTS_IN", "KEEP_PASTS_AT"
"""Environment: a directory, and the points of the protocol at which the past is kept there, separated by spaces."""
_DUMP = """
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  all[#all + 1] = {key, redis.call('PTTL', key), redis.call('DUMP', key)}
end
return all"""


class Past:
    """All of Redis as it was at one moment, to go back to in one step."""

    def __init__(self, url: str, keys: list[tuple[bytes, int, bytes]] | None = None) -> None:
        self._url = url
        with Redis.from_url(url) as raw:
            self._keys = cast("list[tuple[bytes, int, bytes]]", raw.eval(_DUMP, 0)) if keys is None else keys

    def comes_back(self, *, breaking: bool = False) -> None:
        """Let Redis be as it was; `breaking` all its connections, as a Redis that is restarted or replaced does."""
        with Redis.from_url(self._url) as raw, raw.pipeline(transaction=True) as pipe:
            pipe.flushdb()
            for key, ttl, value in self._keys:
                pipe.restore(key, max(0, ttl), value)
            if breaking:
                pipe.client_kill_filter(_type="normal", skipme=True)
            pipe.execute()

    def keep(self, file: Path) -> None:
        """Write it to a file, which is complete as soon as it is there."""
        kept = [(key.hex(), ttl, value.hex()) for key, ttl, value in self._keys]
        half = file.with_suffix(".half")
        half.write_text(json.dumps(kept))
        half.rename(file)

    @classmethod
    def kept(cls, url: str, file: Path) -> Past:
        """Read it from a file."""
        kept = json.loads(file.read_text())
        return cls(url, [(bytes.fromhex(key), ttl, bytes.fromhex(value)) for key, ttl, value in kept])


def keep_pasts(url: str, directory: Path) -> None:
    """Keep the past at each of the points that the environment names, while a file `keep` is there."""
    wanted = os.environ[KEEP_AT].split()

    def on_point(point: str, step: str) -> None:
        if point in wanted and (directory / "keep").exists():
            number = len(list(directory.glob("*.json")))
            Past(url).keep(directory / f"{number:03d} {point} {step}.json")

    crash_points.on_point = on_point
