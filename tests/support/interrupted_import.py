"""A Ctrl-C at the moment at which a process imports a module, for scripts of `python -c`."""

from __future__ import annotations

CTRL_C_AT_IMPORT = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
"""
"""To be formatted with the name of the `module`, which is imported by what follows."""
