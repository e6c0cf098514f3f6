"""The tiny durable tasks, as the next version of the engine has them: it makes and understands records of schema 2."""

from __future__ import annotations

from phoenix_producer.client import record

NEWER = 2
_ours = "SCHEMA = 1"
assert _ours in record.LEDGER_LUA
record.LEDGER_LUA = record.LEDGER_LUA.replace(_ours, f"SCHEMA = {NEWER}")

from tests.support.durable_app import app  # noqa: E402 - the engine reads the script when it is imported

__all__ = ["app"]
