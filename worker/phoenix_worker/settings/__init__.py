"""The worker's settings: environment variables `PHOENIX_…`, or the same names in a file `.env`."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from phoenix_producer.client.redis_url import DEFAULT_REDIS_URL, place_of, verified
from phoenix_producer.client.secret_files import password_variable, secret, with_passwords
from phoenix_producer.contract import ContractError
from phoenix_producer.http.tokens import TOKENS_VARIABLE
from phoenix_producer.plain_text import plain_line
from phoenix_worker.catalog.scripts import APPLICATION_SCRIPTS, FEATURES
from phoenix_worker.proxmox.connection import Access
from phoenix_worker.settings import values
from phoenix_worker.settings.sources import (
    ENV_FILE,
    NOT_USABLE,
    PREFIX,
    SECRET,
    FromVariables,
    SettingsError,
    environ,
    in_file,
)

__all__ = ["ENV_FILE", "PREFIX", "SECRET", "Settings", "SettingsError", "environ", "load_settings", "variable"]


class Settings(FromVariables, BaseSettings):  # the second for ruff, which knows pydantic's own alone
    """What a worker needs to know. Flower and the worker read the same."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    redis_url: Annotated[
        SecretStr,
        AfterValidator(values.redis_url),
        Field(
            description="Redis or Valkey: broker, results and ledger. `rediss://` for TLS; "
            "`sentinel://HOST:26379,HOST:26379/MASTER/0` for the master that Sentinels name, `sentinels://` over TLS."
        ),
    ] = SecretStr(DEFAULT_REDIS_URL)
    redis_ca_file: Annotated[
        Path | None,
        AfterValidator(values.redis_ca_file),
        Field(
            description="CA that signed the certificate of Redis, for `rediss://`. Without it the machine's own CAs "
            "are used. Certificate and name are always verified."
        ),
    ] = None
    redis_password: Annotated[
        SecretStr | None,
        AfterValidator(values.encodable),
        Field(description="Redis password, if the URL has none; any characters."),
    ] = None
    sentinel_password: Annotated[
        SecretStr | None,
        AfterValidator(values.encodable),
        Field(description="The password of the Sentinels themselves, where they want one."),
    ] = None
    catalog: Annotated[Path, Field(description="The catalog of containers. Read again when its content changes.")] = (
        Path("phoenix_lxc_configs.json")
    )
    proxmox_host: Annotated[
        str,
        AfterValidator(values.hosts),
        Field(
            description="A Proxmox node, `host` or `host:port`, or several of one cluster, separated by commas: one "
            "that cannot be used is skipped for a minute."
        ),
    ]
    proxmox_user: Annotated[
        str, AfterValidator(values.user), Field(description="Owner of the API token, with its realm: `phoenix@pve`.")
    ]
    proxmox_token_name: Annotated[str, AfterValidator(values.filled), Field(description="Name of the API token.")]
    proxmox_token_value: Annotated[
        SecretStr, AfterValidator(values.secret), Field(description="Secret of the API token. Never logged.")
    ]
    proxmox_ca_file: Annotated[
        Path | None,
        AfterValidator(values.ca_file),
        Field(
            description="CA that signed the node's certificate (`/etc/pve/pve-root-ca.pem` of the node). "
            "Without it the machine's own CAs are used. Certificates are always verified."
        ),
    ] = None
    proxmox_fingerprint: Annotated[
        str | None,
        AfterValidator(values.fingerprints),
        Field(
            description="SHA-256 fingerprint of the node's certificate, as `pvenode cert info` prints it: no other is "
            "accepted. Without a CA file it is the only check; with one, both must match. One for each node."
        ),
    ] = None
    proxmox_timeout: Annotated[
        float, Field(gt=0, le=300, description="Seconds that one answer of Proxmox may take.")
    ] = 15.0
    shell: Annotated[
        Literal["ssh", "local"] | None,
        Field(
            description="Shell access to the nodes, for scripts and for what only root may set: `ssh`, or `local` "
            "for a worker that runs on the node `PHOENIX_NODE`. Without it, containers that need it are refused."
        ),
    ] = None
    shell_user: Annotated[
        str,
        AfterValidator(values.filled),
        Field(description="User that SSH logs in as; a user other than root needs sudo."),
    ] = "root"
    shell_key_file: Annotated[
        Path | None,
        AfterValidator(values.readable),
        Field(description="Private key for SSH. Without it: the SSH agent, then the keys in `~/.ssh`."),
    ] = None
    shell_known_hosts: Annotated[
        Path | None,
        AfterValidator(values.readable),
        Field(description="The nodes' host keys, which are always verified. Without it: `~/.ssh/known_hosts`."),
    ] = None
    shell_addresses: Annotated[
        dict[str, tuple[str, int]],
        NoDecode,
        BeforeValidator(values.addresses),
        Field(description="Addresses of nodes whose names do not resolve: `pve1=10.0.0.11,pve2=10.0.0.12:2222`."),
    ] = {}
    shell_capacity: Annotated[
        int, Field(ge=1, le=10, description="Most commands that a worker runs on one node at the same time.")
    ] = 4
    shell_sudo: Annotated[
        bool, Field(description="Whether commands on a node are run by `sudo -n`, for a user who is not root.")
    ] = False
    scripts: Annotated[
        str,
        AfterValidator(values.script_pattern),
        Field(
            description="Where the script of a feature is. A path beside the catalog: it is pushed into the container "
            "and run there. An absolute path: it lies on the node and is run there. `script_files` says so for one."
        ),
    ] = FEATURES
    application_scripts: Annotated[
        str,
        AfterValidator(values.application_pattern),
        Field(description="Where the `application_script` of a container is; as `PHOENIX_SCRIPTS`."),
    ] = APPLICATION_SCRIPTS
    script_timeout: Annotated[
        float,
        Field(gt=0, le=604800, description="Seconds that a script may take unless `script_timeouts` says otherwise."),
    ] = 3600.0
    node: values.Nodes = "pve"
    template_storage: Annotated[
        str,
        AfterValidator(values.storage),
        Field(description="Storage of OS templates that the catalog gives as a path."),
    ] = "local"
    scratch_ctids: Annotated[
        str | None,
        AfterValidator(values.ctids),
        Field(
            description="CTIDs at which templates are rebuilt, as `9000-9099`: at least one per template. "
            "Nothing else may use them. Without them nothing is rebuilt."
        ),
    ] = None
    copy_ctids: Annotated[
        str | None,
        AfterValidator(values.ctids),
        Field(
            description="CTIDs of the copies of templates, as `9100-9199`: one for each template on each node that "
            "needs it and does not share its storage. Nothing else may use them. Without them nothing is copied."
        ),
    ] = None
    node_capacity: Annotated[
        int, Field(ge=1, le=64, description="Most creations and clones on one node at the same time.")
    ] = 4
    patience: Annotated[
        float,
        Field(
            ge=0,
            le=86400,
            description="Seconds for which a step is tried again while Proxmox is unreachable, busy or locked.",
        ),
    ] = 300.0
    heartbeat_ttl: Annotated[
        float, Field(ge=1, le=60, description="Seconds after its last heartbeat after which a worker counts as dead.")
    ] = 3.0
    log_format: Annotated[
        Literal["text", "json"], Field(description="Format of the log's lines: for people or for programs.")
    ] = "text"
    metrics_address: Annotated[
        str | None,
        AfterValidator(values.listening),
        Field(
            description="Where this worker serves Prometheus metrics, such as `127.0.0.1:9464`: to everybody who "
            "reaches it. Unset: no metrics."
        ),
    ] = None
    webhook_url: Annotated[
        str | None,
        AfterValidator(values.webhook_url),
        Field(description="URL to which events of jobs are posted, signed."),
    ] = None
    webhook_secret: Annotated[
        SecretStr | None,
        AfterValidator(values.encodable),
        Field(description="Key of the signature (HMAC-SHA256): `whsec_…`, or any text."),
    ] = None

    @field_validator("*", mode="before")
    @classmethod
    def _is_plain(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name in SECRET else values.plain(value)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        values.pin_each(self.proxmox_host, self.proxmox_fingerprint)
        values.apart(f"{PREFIX}COPY_CTIDS", self.copy_ctids, f"{PREFIX}SCRATCH_CTIDS", self.scratch_ctids)
        values.one_node(self.shell, self.node)
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError(f"{PREFIX}WEBHOOK_URL needs {PREFIX}WEBHOOK_SECRET: nothing is sent unsigned.")
        return self

    @model_validator(mode="after")
    def _complete_url(self) -> Self:
        password, of_sentinels = (
            one.get_secret_value() if one else None for one in (self.redis_password, self.sentinel_password)
        )
        url = with_passwords(self.redis_url.get_secret_value(), password, of_sentinels)
        object.__setattr__(self, "redis_url", SecretStr(url))
        return self

    def secrets(self) -> list[str]:
        """Return what must be in no log: as it is, and as it stands in a URL."""
        passwords = place_of(self.redis_url.get_secret_value()).secrets()
        webhook = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        in_urls = [quote(password, safe="") for password in passwords]
        return [self.proxmox_token_value.get_secret_value(), *passwords, *in_urls, webhook]


def redis_of(settings: Settings) -> str:
    """Say where Redis is, and how its certificate is verified. It holds the password."""
    ca_file = str(settings.redis_ca_file) if settings.redis_ca_file else None
    return verified(settings.redis_url.get_secret_value(), ca_file)


def access_of(settings: Settings) -> Access:
    """Say how to reach Proxmox."""
    return Access(
        host=settings.proxmox_host,
        user=settings.proxmox_user,
        token_name=settings.proxmox_token_name,
        token_value=settings.proxmox_token_value.get_secret_value(),
        ca_file=str(settings.proxmox_ca_file) if settings.proxmox_ca_file else None,
        fingerprint=settings.proxmox_fingerprint,
        read_seconds=settings.proxmox_timeout,
    )


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError with a line for each that is missing, wrong or misspelt."""
    problems = _misspelt()
    try:
        settings = Settings(**_from_files())
    except ValidationError as error:
        problems += [_told(entry["loc"], entry["type"], entry["msg"]) for entry in error.errors()]
    except ContractError as error:
        problems.append(str(error))
    if problems:
        lines = [f"  {plain_line(problem)}" for problem in problems]
        raise SettingsError("\n".join([NOT_USABLE, *lines]))
    return settings


def password_setting(settings: Settings) -> str:
    """Name the setting that the password of Redis is from, for whoever has to correct it."""
    return password_variable(environ(), place_of(settings.redis_url.get_secret_value()).password)


def _from_files() -> dict[str, Any]:
    given = environ()
    found = {field: secret(given, variable((field,))) for field in SECRET}
    return {field: value for field, value in found.items() if value is not None}


def _told(location: tuple[int | str, ...], kind: str, message: str) -> str:
    if not location:
        return _plain(message)
    name = variable(location)
    if kind != "missing":
        return f"{name}: {_plain(message)}"
    is_empty = name in {given.upper() for given in (*os.environ, *in_file())}
    return f"{name}: is {'empty' if is_empty else 'not set'}. Set it in the environment or in .env."


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def variable(location: tuple[int | str, ...]) -> str:
    """Name the variable of a setting."""
    return PREFIX + str(location[0]).upper()


def _misspelt() -> list[str]:
    known = [variable((field,)) for field in Settings.model_fields]
    known += [*(f"{variable((field,))}_FILE" for field in SECRET), TOKENS_VARIABLE]  # the last one is for `serve`
    strange = sorted({name for name in map(str.upper, environ()) if name.startswith(PREFIX) and name not in known})
    return [f"{name}: unknown setting.{_guess(name, known)}" for name in strange]


def _guess(name: str, known: list[str]) -> str:
    ends = [one.removeprefix(PREFIX) for one in known]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), ends, n=1, cutoff=0.6)
    return f" Did you mean {PREFIX}{close[0]}?" if close else f" Known: {', '.join(known)}."
