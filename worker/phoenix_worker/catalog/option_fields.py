"""The types of options that are one value each in Proxmox, beside those of `fields.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from phoenix_worker.catalog.fields import DnsName, Matching, ascii_only, split

Domains = Annotated[
    list[DnsName],
    BeforeValidator(split),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
TimeZone = Annotated[
    str,
    # Those of the node's zone.tab, and no others (`pve_verify_timezone` in pve-common).
    Matching(
        r"host|UTC|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)(/[\w+-]+){1,2}",
        "a time zone of Proxmox's",
        "Write one such as Europe/Berlin, UTC, or host for that of the node.",
    ),
]
HookScript = Annotated[
    str,
    Matching(
        r"[A-Za-z][\w.-]*[A-Za-z0-9]:snippets/(?!\.{1,2}$)[\w.+-]+",
        "a snippet on a storage",
        "Write its volume id, such as local:snippets/hook.sh.",
    ),
]
CpuLimit = Annotated[float, Field(ge=0, le=8192, allow_inf_nan=False)]
OsType = Literal[
    "debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine", "gentoo", "nixos", "unmanaged"
]
Arch = Literal["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"]
Entrypoint = Annotated[
    str,
    Matching(r"[^\x00-\x08\x0a-\x1f\x7f]+", "a command", "Write it on one line, such as /usr/bin/app --serve."),
    AfterValidator(ascii_only),
]
Environment = dict[
    Annotated[str, Matching(r"\w+", "the name of a variable", "Use letters, digits and underscores.")],
    Annotated[
        str,
        Matching(r"[^\x00-\x08\x0a-\x1f\x7f]*", "the value of a variable", "Write it on one line."),
        AfterValidator(ascii_only),
    ],
]
