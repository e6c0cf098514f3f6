"""The command `phoenix-lxc`; `app` has its commands."""

from __future__ import annotations

import sys

_LIBRARIES = {"typer", "rich"}
_BAD_INPUT = 2


def main() -> None:
    """Run the command line; the entry point. Without its libraries, say what to install and exit with 2."""
    try:
        from phoenix_producer.cli.app import app  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        sys.stderr.write("phoenix-lxc needs its command line libraries. From a checkout: pip install '.[cli]'\n")
        raise SystemExit(_BAD_INPUT) from None
    app()
