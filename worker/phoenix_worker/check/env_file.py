"""Which secrets are in `.env`: everybody may read one that has none, as the units of `setup systemd` need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotenv import dotenv_values

from phoenix_producer.client.redis_url import place_of
from phoenix_producer.contract import ContractError
from phoenix_worker.settings import SECRET, variable

if TYPE_CHECKING:
    from pathlib import Path


def secrets_in(file: Path) -> list[str]:
    """Return the names of the settings in the file that are a secret, or a URL with one."""
    return [name for name, value in dotenv_values(file).items() if value and _is_secret(name.upper(), value)]


def _is_secret(name: str, value: str) -> bool:
    if name not in {variable((field,)) for field in SECRET}:
        return False
    try:
        return name != variable(("redis_url",)) or bool(place_of(value).secrets())
    except ContractError:
        return True
