"""Which secrets are in `.env`: everybody may read one that has none, as the units of `setup systemd` need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.client.redis_url import place_of
from phoenix_producer.contract import ContractError
from phoenix_worker.settings import SECRET, variable
from phoenix_worker.settings.sources import in_file

if TYPE_CHECKING:
    from pathlib import Path


def secrets_in(file: Path) -> list[str]:
    """Return the names of the settings in the file that are a secret, or a URL with one."""
    return [name for name, value in in_file(file).items() if value and _is_secret(name.upper(), value)]


def _is_secret(name: str, value: str) -> bool:
    if name not in {variable((field,)) for field in SECRET}:
        return False
    try:
        return name != variable(("redis_url",)) or bool(place_of(value).secrets())
    except ContractError:
        return True
