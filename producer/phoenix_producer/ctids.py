"""A CTID as it is written: `103`, in digits alone; the same in messages, URLs, commands, settings and the catalog.

Python and pydantic read more as the same number: `+103`, `0103`, ` 103`, `1_03`, `103.0`, digits of other scripts.
What is compared as text, such as the subject of a job or a path, would be another one then.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

FIRST_CTID, LAST_CTID = 100, 999_999_999
"""Proxmox's own limits."""
CTID_FORM = f"a number from {FIRST_CTID} to {LAST_CTID}, in digits alone"
_DIGITS = re.compile(r"[1-9][0-9]{2,8}")


def parse_ctid(text: str) -> int | None:
    """Read a CTID from text; None when it is none."""
    return int(text) if _DIGITS.fullmatch(text) else None


def _check(given: Any) -> int:
    is_number = isinstance(given, int) and not isinstance(given, bool) and FIRST_CTID <= given <= LAST_CTID
    ctid = given if is_number else parse_ctid(given) if isinstance(given, str) else None
    if ctid is None:
        raise PydanticCustomError("ctid", "a CTID is {form}", {"form": CTID_FORM})
    return int(ctid)


Ctid = Annotated[
    int, Field(ge=FIRST_CTID, le=LAST_CTID, description="Proxmox VMID of a container"), BeforeValidator(_check)
]
