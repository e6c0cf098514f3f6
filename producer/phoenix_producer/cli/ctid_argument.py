"""How a CTID is given on a command line: as everywhere else, see `phoenix_producer.ctids`."""

from __future__ import annotations

import typer

from phoenix_producer.ctids import CTID_FORM, parse_ctid


def ctid(given: str) -> int:
    """Read a CTID: `103`, and not `+103` or `0103`, which Python takes too. Raises BadParameter for anything else."""
    read = parse_ctid(str(given))
    if read is None:
        raise typer.BadParameter(f"{given!r} is not {CTID_FORM}.")
    return read
