"""`pveum` as far as the remedies of `check` use it: roles and grants, kept in the file that PVEUM_STATE names.

It refuses what Proxmox refuses (pve-access-control): a role that is there already, one that is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn


def refuse(text: str) -> NoReturn:
    print(text, file=sys.stderr)  # noqa: T201 - a command's answer
    sys.exit(255)


def main() -> None:
    what, verb, name, *given = sys.argv[1:]
    state_file = Path(os.environ["PVEUM_STATE"])
    state = json.loads(state_file.read_text())
    parser = argparse.ArgumentParser()
    for option in ("--privs", "--append", "--users", "--tokens", "--roles"):
        parser.add_argument(option)
    options = parser.parse_args(given)
    roles = state["roles"]
    if what == "role":
        if (name in roles) == (verb == "add"):
            refuse(f"role '{name}' {'already exists' if verb == 'add' else 'does not exist'}")
        before = roles.get(name, []) if options.append == "1" else []
        roles[name] = sorted({*before, *options.privs.split()})
    else:
        if options.roles not in roles:
            refuse(f"role '{options.roles}' does not exist")
        state["acl"] += [[name, who, options.roles] for who in (options.users, options.tokens)]
    state_file.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
