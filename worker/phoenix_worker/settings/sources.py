"""Where settings come from: the environment, before the file `.env`; and of both only what is set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_FILE = ".env"
PREFIX = "PHOENIX_"
"""What the name of each setting begins with."""
SECRET = ("redis_url", "redis_password", "sentinel_password", "proxmox_token_value", "webhook_secret")
"""What may be read from files."""


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
        for source in (env_settings, dotenv_settings):
            if isinstance(source, EnvSettingsSource):
                source.env_vars = _set(source.env_vars)
        return init_settings, env_settings, dotenv_settings


def environ() -> dict[str, str]:
    """Return what is set; the environment comes before the file."""
    return _set(dotenv_values(ENV_FILE)) | _set(os.environ)


def _set(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is empty, or has nothing but blanks and line breaks."""
    return {name: value for name, value in variables.items() if value and value.strip()}
