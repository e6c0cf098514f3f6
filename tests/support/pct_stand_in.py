"""`pct` on the stand-in node: asks the test what the container is, and runs commands in the container's directory.

Paths below /var/lib/phoenix-lxc are those of the container's directory; nothing needs root. It is run as a program of
its own with the Python that runs the tests.
"""

from __future__ import annotations

import json
import os
import socket
import sys

OURS = "/var/lib/phoenix-lxc"


def main(argv: list[str]) -> int:
    """Answer as pct does: what it says goes to stderr, and the exit code is that of the command."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(os.environ["PCT_SOCKET"])
        asking.sendall(json.dumps(argv).encode() + b"\n")
        answer = json.loads(asking.makefile().readline())
    if answer["say"]:
        print(answer["say"], file=sys.stderr)  # noqa: T201 - pct's own words
    if "root" in answer:
        _become(answer["root"], argv[1], argv[argv.index("--") + 1 :])
    return int(answer["code"])


def _become(root: str, ctid: str, command: list[str]) -> None:
    """Run a command as if in the container; it is killed with the container, by this mark in its environment."""
    os.chdir(root)
    path = os.environ.get("REAL_PATH", os.environ["PATH"])  # the node's stand-ins are not those of its containers
    own = {"HOME": root, "PATH": path, "LANG": "C.UTF-8", "CONTAINER": f"{root}#{ctid}"}
    words = [root + word if word == OURS or word.startswith(f"{OURS}/") else word for word in command]
    try:
        os.execvpe(words[0], words, own)  # noqa: S606 - that is the point
    except OSError as error:
        print(f"{words[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - as lxc-attach does
        sys.exit(127)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
