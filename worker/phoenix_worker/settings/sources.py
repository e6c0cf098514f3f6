"""Where settings come from: the environment, before the file `.env`; and of both only what is set."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from phoenix_producer.client.regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_FILE = ".env"
PREFIX = "PHOENIX_"
"""What the name of each setting begins with."""
SECRET = ("redis_url", "redis_password", "sentinel_password", "proxmox_token_value", "webhook_secret")
"""What may be read from files."""
_MOST_BYTES = 1024 * 1024
NOT_USABLE = "The settings are not usable:"


class SettingsError(Exception):
    """Settings that are missing or wrong; the message names each with what to do."""


class FromVariables(BaseSettings):
    """Settings that are read so."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - this and the last are pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out of the sources what is as good as not set."""
        given = ((env_settings, os.environ), (dotenv_settings, in_file()))
        for source, variables in given:
            if isinstance(source, EnvSettingsSource):
                source.env_vars = {name.lower(): value for name, value in _set(variables).items()}
        return init_settings, env_settings, dotenv_settings


def environ() -> dict[str, str]:
    """Return what is set; the environment comes before the file. Raises SettingsError, see `in_file`."""
    return _set(in_file()) | _set(os.environ)


def in_file(path: Path = Path(ENV_FILE)) -> dict[str, str | None]:
    """Return what the file sets: nothing if there is none, or a directory or a device in its place.

    Raises SettingsError for a file that cannot be read, is no text, or is a pipe, which may have no end.
    """
    try:
        if not (path.is_file() or path.is_fifo()):
            return {}
        text = read_regular(path, _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{NOT_USABLE}\n  {path} cannot be read ({why}). Correct it, or move it away.") from None
    return dotenv_values(stream=io.StringIO(text))


def _set(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is empty, or has nothing but blanks and line breaks."""
    return {name: value for name, value in variables.items() if value and value.strip()}
