"""`pveum` as far as the documents and the remedies of `check` use it, kept in the file that PVEUM_STATE names.

It refuses what Proxmox refuses (pve-access-control 9.1): options that a command does not have, privileges and paths
that there are none of, a role that is there already, a role, user or token that is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

COMMANDS = {
    ("role", "add"): (1, ("privs",)),
    ("role", "modify"): (1, ("privs", "append")),
    ("user", "add"): (1, ("comment", "email", "enable", "expire", "groups", "password")),
    ("user", "token", "add"): (2, ("comment", "expire", "privsep")),
    ("acl", "modify"): (1, ("groups", "propagate", "roles", "tokens", "users")),
}
"""How many words each takes, and its options."""
_KINDS = {
    "VM": "Allocate Audit Backup Clone Console Migrate PowerMgmt Replicate Snapshot Snapshot.Rollback Config.CDROM "
    "Config.CPU Config.Cloudinit Config.Disk Config.HWType Config.Memory Config.Network Config.Options "
    "GuestAgent.Audit GuestAgent.FileRead GuestAgent.FileSystemMgmt GuestAgent.FileWrite GuestAgent.Unrestricted",
    "Sys": "AccessNetwork Audit Console Incoming Modify PowerMgmt Syslog",
    "Datastore": "Allocate AllocateSpace AllocateTemplate Audit",
    "SDN": "Allocate Audit Use",
    "Pool": "Allocate Audit",
    "Mapping": "Audit Modify Use",
}
PRIVILEGES = frozenset(f"{kind}.{name}" for kind, names in _KINDS.items() for name in names.split())
PATH = re.compile(
    r"/|/access|/nodes(/[\w.-]+)?|/pool(/[\w.-]+){0,3}|/storage(/[\w.-]+)?|/vms(/[1-9]\d{2,})?"
    r"|/sdn(/zones(/[\w.-]+(/[\w.-]+(/[1-9]\d{0,3})?)?)?)?|/mapping(/[\w.-]+){0,2}"
)
"""`check_path` of `PVE::AccessControl`, without what workers never ask for."""
_USER = r"[^\s:/!]+@[A-Za-z][\w.-]+"
_TOKEN = rf"{_USER}![A-Za-z][\w.-]+"
_ROLE = r"[A-Za-z0-9._-]+"


def refuse(text: str) -> NoReturn:
    print(text, file=sys.stderr)  # noqa: T201 - a command's answer
    sys.exit(255)


def read(given: list[str]) -> tuple[str, list[str], argparse.Namespace]:
    """The command, its words and its options."""
    command = next((one for one in COMMANDS if tuple(given[: len(one)]) == one), None)
    if command is None:
        refuse(f"ERROR: unknown command 'pveum {' '.join(given[:2])}'")
    words, options = COMMANDS[command]
    parser = argparse.ArgumentParser(prog="pveum", allow_abbrev=False)
    parser.add_argument("words", nargs=words)
    for option in options:
        parser.add_argument(f"--{option}")
    told = parser.parse_args(given[len(command) :])
    return " ".join(command), told.words, told


def privileges(text: str | None) -> list[str]:
    names = re.split(r"[\s,;]+", text.strip()) if text else []
    for name in names:
        if name not in PRIVILEGES:
            refuse(f"invalid privilege '{name}'")
    return names


def change_role(state: dict[str, Any], name: str, told: argparse.Namespace, *, new: bool) -> None:
    if re.fullmatch(_ROLE, name) is None or name.startswith("PVE"):
        refuse(f"role name '{name}' is invalid")
    if (name in state["roles"]) == new:
        refuse(f"role '{name}' {'already exists' if new else 'does not exist'}")
    before = [] if new or told.append != "1" else state["roles"][name]
    state["roles"][name] = sorted({*before, *privileges(told.privs)})


def grant(state: dict[str, Any], path: str, told: argparse.Namespace) -> None:
    if PATH.fullmatch(path) is None:
        refuse(f"invalid ACL path '{path}'")
    if told.roles not in state["roles"]:
        refuse(f"role '{told.roles}' does not exist")
    for who, form in ((told.users, _USER), (told.tokens, _TOKEN)):
        if who is None:
            continue
        if re.fullmatch(form, who) is None or ("users" in state and who not in state["users"]):
            refuse(f"no such user or token '{who}'")
        state["acl"].append([path, who, told.roles])


def main() -> None:
    command, words, told = read(sys.argv[1:])
    state_file = Path(os.environ["PVEUM_STATE"])
    state = json.loads(state_file.read_text())
    if command == "acl modify":
        grant(state, words[0], told)
    elif command.startswith("role"):
        change_role(state, words[0], told, new=command == "role add")
    else:
        user, form = "!".join(words), _TOKEN if command == "user token add" else _USER
        if re.fullmatch(form, user) is None or user in state["users"]:
            refuse(f"'{user}' is no name, or is there already")
        state["users"].append(user)
    state_file.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
