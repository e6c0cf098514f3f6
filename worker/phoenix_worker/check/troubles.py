"""What cannot be read is said like everything else, and the rest is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.translate import NOT_PROXMOX
from phoenix_worker.proxmox.understood import DEFECTIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phoenix_worker.core.checkup.line import Line


def or_trouble(about: str, lines: Callable[[], Iterator[Line]], remedy: str = NOT_PROXMOX) -> Iterator[Line]:
    """Say what could not be read, and go on with the rest. `remedy` is for answers that are another's."""
    try:
        yield from lines()
    except (TransientError, PermanentError) as trouble:
        yield error(about, trouble.message, trouble.remedy)
    except DEFECTIVE as defect:
        what = f"the answer is not as documented ({type(defect).__name__}: {defect}); the rest of it was not checked"
        yield error(about, what, remedy)
