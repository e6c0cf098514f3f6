"""What the help of the commands is made of: the groups they are listed in, and what each command's help ends with."""

from __future__ import annotations

CONTAINERS, TEMPLATES, NODES, JOBS, SET_UP = "Containers", "Templates", "Nodes", "Jobs", "Set-up"
"""The groups of commands in `phoenix-lxc --help`, in their order."""

ACCEPT_NOT_APPLIED = "If the workers have no shell access to the nodes, skip the keys that need it."
DRY_RUN = "Change nothing; print what would be done."
EVERY_RESULT = "Print one JSON array on stdout: an answer or failure per CTID."
ONE_DOCUMENT = "Print one JSON document on stdout."
CTIDS = "CTIDs of the catalog."
WAIT_FOR_JOBS = "Stop waiting after this many seconds; the jobs go on."
WAIT_FOR_ANSWER = "Stop waiting after this many seconds."
SECONDS = "SECONDS"


def epilog(*examples: str, codes: str) -> str:
    """Return the end of a command's help: examples to copy, one a line, and what its exit codes mean."""
    shown = "\n".join(["For example:", *(f"    {example}" for example in examples)])
    return f"{shown}\n\nExit codes: {codes}"
